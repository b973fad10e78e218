"""Who handles what: `@on_payload` and `@on_event` register, the workers look up.

The module `handlers` of each installed app is imported by the workers, never by a process that answers requests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from notifications.events import NAME, RESERVED, Event

if TYPE_CHECKING:
    from notifications.models import RawPayload

PayloadFunction = Callable[["RawPayload"], None]
EventFunction = Callable[[Event], None]


#: Whatever a handler says of other errors: the database is away, or somebody was faster.
ALWAYS_RETRIED: Final = (OperationalError, InterfaceError)


class GiveUp(Exception):
    """Raised by a handler: trying again is of no use. `str()` is the reason, shown in the admin."""


class RetryAt(Exception):
    """Raised by a handler: call me again with this payload at `time`, which counts as no attempt.

    `time` is an aware datetime, or a timedelta from now. `reason` is shown in the admin until then.
    """

    def __init__(self, time: datetime | timedelta, reason: str = "The handler wants to be called later.") -> None:
        super().__init__(reason)
        self.time = timezone.now() + time if isinstance(time, timedelta) else time
        if timezone.is_naive(self.time):
            raise ValueError(f"RetryAt({time!r}) has no time zone: use django.utils.timezone")


Exceptions = tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True)
class PayloadHandler:
    """One for each source. `atomic`: the function runs in the transaction that marks the payload done.

    `retry_on`: only these exceptions are worth another attempt; None: all are, but those in `give_up_on`.
    """

    source: str
    function: PayloadFunction
    atomic: bool = True
    retry_on: Exceptions | None = None
    give_up_on: Exceptions = ()

    def is_final(self, error: BaseException) -> bool:
        """Whether trying again is of no use."""
        if isinstance(error, self.give_up_on):
            return True
        return self.retry_on is not None and not isinstance(error, (*self.retry_on, *ALWAYS_RETRIED))


payload_handlers: dict[str, PayloadHandler] = {}
event_handlers: dict[str, EventFunction] = {}


def on_payload(
    source: str, *, atomic: bool = True, retry_on: Exceptions | None = None, give_up_on: Exceptions = ()
) -> Callable[[PayloadFunction], PayloadFunction]:
    """Register the handler of a source.

    An atomic one must be quick, since SQLite has one writer; its database effects happen exactly once. A slow one
    says `atomic=False`, does its slow work, then commits its effects under `with payload.done():`.

    What it raises is tried again, up to the source's `max_attempts`. `give_up_on=(ValueError,)`: these make the
    payload dead at once. `retry_on=(ConnectionError,)`: everything but these does, and but a database that
    is away.
    """

    def register(function: PayloadFunction) -> PayloadFunction:
        before = payload_handlers.get(source)
        if before is not None and _name(before.function) != _name(function):
            raise ImproperlyConfigured(f"{source!r} has two handlers: {_name(before.function)}, {_name(function)}")
        payload_handlers[source] = PayloadHandler(source, function, atomic, retry_on, give_up_on)
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
