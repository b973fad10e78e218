"""The destinations of events: one file for each kind."""

from collections.abc import Sequence
from typing import Final

from django.utils.module_loading import import_string

from notifications.channels.base import Channel, Unavailable, Undeliverable
from notifications.conf import ChannelConf, conf
from notifications.events.event import SERIES, Event
from notifications.handlers import EventFunction, event_handlers

__all__ = ["OWN", "Channel", "Unavailable", "Undeliverable", "channel_names", "make_channel"]

#: Channels of the engine itself, which no setting makes. Settings may import this module, when there are no models yet.
OWN: Final = {SERIES: ChannelConf(SERIES, "notifications.channels.series.SeriesChannel")}


class FunctionChannel(Channel):
    """An `@on_event` function as a channel."""

    def __init__(self, name: str, function: EventFunction) -> None:
        super().__init__(name)
        self._function = function

    def deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            self._function(event)


def channel_names() -> list[str]:
    """All channels but the engine's own: those of NOTIFICATIONS_CHANNELS, then the `@on_event` functions."""
    return [*conf.channels, *(name for name in event_handlers if name not in conf.channels)]


def make_channel(name: str) -> Channel:
    """Returns a new channel object. Raises LookupError if no channel has this name."""
    if name in OWN:
        return _from_conf(OWN[name])
    if name in conf.channels:
        return _from_conf(conf.channels[name])
    return FunctionChannel(name, event_handlers[name])


def _from_conf(entry: ChannelConf) -> Channel:
    channel: Channel = import_string(entry.class_path)(entry.name, **entry.options)
    return channel
