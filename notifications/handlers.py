"""Who handles what: `@on_payload` and `@on_event` register, the workers look up.

The module `handlers` of each installed app is imported by the workers, never by a process that answers requests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import autodiscover_modules

from notifications.events import NAME, RESERVED, Event

if TYPE_CHECKING:
    from notifications.models import RawPayload

PayloadFunction = Callable[["RawPayload"], None]
EventFunction = Callable[[Event], None]


class GiveUp(Exception):
    """Raised by a handler: trying again is of no use. `str()` is the reason, shown in the admin."""


@dataclass(frozen=True, slots=True)
class PayloadHandler:
    """One for each source. `atomic`: the function runs in the transaction that marks the payload done."""

    source: str
    function: PayloadFunction
    atomic: bool = True


payload_handlers: dict[str, PayloadHandler] = {}
event_handlers: dict[str, EventFunction] = {}


def on_payload(source: str, *, atomic: bool = True) -> Callable[[PayloadFunction], PayloadFunction]:
    """Register the handler of a source.

    An atomic one must be quick, since SQLite has one writer; its database effects happen exactly once. A slow one
    says `atomic=False`, does its slow work, then commits its effects under `with payload.done():`.
    """

    def register(function: PayloadFunction) -> PayloadFunction:
        before = payload_handlers.get(source)
        if before is not None and _name(before.function) != _name(function):
            raise ImproperlyConfigured(f"{source!r} has two handlers: {_name(before.function)}, {_name(function)}")
        payload_handlers[source] = PayloadHandler(source, function, atomic)
        return function

    return register


def on_event(name: str) -> Callable[[EventFunction], EventFunction]:
    """Register a function as the channel `name`: it gets each event of that name, at least once."""

    def register(function: EventFunction) -> EventFunction:
        before = event_handlers.get(name)
        if not NAME.fullmatch(name) or name in RESERVED:
            raise ImproperlyConfigured(f"{name!r} is no event name: capital letters, digits and _, at most 32")
        if before is not None and _name(before) != _name(function):
            raise ImproperlyConfigured(f"{name!r} has two handlers: {_name(before)}, {_name(function)}")
        event_handlers[name] = function
        return function

    return register


def autodiscover() -> None:
    """Import the module `handlers` of each installed app."""
    autodiscover_modules("handlers")


def _name(function: Callable[..., None]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
