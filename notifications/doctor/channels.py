"""Examines the channels of the settings: each says itself whether it would deliver."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial

from notifications.channels import Unavailable, Undeliverable, make_channel
from notifications.conf import conf
from notifications.doctor.addresses import REACH
from notifications.doctor.registry import Examination
from notifications.utils.finding import Finding, failed, ok


def channels() -> list[Examination]:
    """One for each: "channel:SLACK"."""
    return [Examination(f"channel:{name}", partial(_examined, name)) for name in conf.channels]


def _examined(name: str) -> Iterator[Finding]:
    try:
        channel = make_channel(name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        yield failed(
            f"it cannot be made: {error}", "Fix its entry in NOTIFICATIONS_CHANNELS, or what your settings make it of."
        )
        return
    with closing(channel):
        anything = False
        try:
            for finding in channel.examine():
                anything = True
                yield finding
        except Undeliverable as error:
            what, _, advice = str(error).partition(": ")
            yield failed(f"refused: {what}", advice or "Events become failed deliveries until it is mended.")
            return
        except Unavailable as error:
            yield failed(str(error), REACH)
            return
        if not anything:
            yield ok(f"{type(channel).__name__} has no neighbour to ask")
