"""Handlers by source and event: `@on_payload` and `@on_event` register them, the workers look them up.

Workers import the module `handlers` of each installed app; a process that answers requests never does.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError
from django.utils.module_loading import autodiscover_modules

from notifications.events.event import NAME, RESERVED, Event
from notifications.utils.times import aware, utc_now

if TYPE_CHECKING:
    from notifications.models import RawPayload

PayloadFunction = Callable[["RawPayload"], None]
EventFunction = Callable[[Event], None]


#: Whatever a handler's options: a database is away or locked, or another process was faster.
ALWAYS_RETRIED: Final = (OperationalError, InterfaceError)


class GiveUp(Exception):
    """Raised by a handler: do not try again. `str()` is the reason, shown in the admin."""


class RetryAt(Exception):
    """Raised by a handler: call me again with this payload at `time`. This does not count as an attempt.

    `time` is an aware datetime, or a timedelta from now; a past time means in a second. The admin shows `reason` until
    then. Raises TypeError for anything else, ValueError for a datetime without a time zone, and OverflowError for a
    time that no datetime can hold.
    """

    def __init__(self, time: datetime | timedelta, reason: str = "The handler wants to be called later.") -> None:
        super().__init__(reason)
        if isinstance(time, timedelta):
            time = utc_now() + time
        elif not isinstance(time, datetime):
            raise TypeError(f"RetryAt takes an aware datetime or a timedelta, not {type(time).__name__}")
        self.time = aware(time, "RetryAt's time")


Exceptions = tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True)
class PayloadHandler:
    """One for each source. `atomic`: the function runs in the transaction that marks the payload done.

    `retry_on`: only these exceptions are retried; None retries all except those in `give_up_on`.
    """

    source: str
    function: PayloadFunction
    atomic: bool = True
    retry_on: Exceptions | None = None
    give_up_on: Exceptions = ()

    def is_final(self, error: BaseException) -> bool:
        """Whether the handler's options forbid another attempt. `give_up_on` goes before `retry_on`."""
        if isinstance(error, ALWAYS_RETRIED):
            return False
        return isinstance(error, self.give_up_on) or (
            self.retry_on is not None and not isinstance(error, self.retry_on)
        )


payload_handlers: dict[str, PayloadHandler] = {}
event_handlers: dict[str, EventFunction] = {}


def on_payload(
    source: str, *, atomic: bool = True, retry_on: Exceptions | None = None, give_up_on: Exceptions = ()
) -> Callable[[PayloadFunction], PayloadFunction]:
    """Register the handler of a source.

    An atomic handler must be quick, since SQLite has one writer; its database effects happen exactly once. A slow one
    sets `atomic=False`, does its slow work, then commits its effects under `with payload.done():`.

    Exceptions are retried, up to the source's `max_attempts`. `give_up_on=(ValueError,)`: these make the payload dead
    at once. `retry_on=(ConnectionError,)`: all others do. Neither holds for Django's OperationalError and
    InterfaceError (a database that is away or locked): they are retried up to `max_attempts`, like any exception.

    Raises ImproperlyConfigured if the handler cannot work as written.
    """
    if not isinstance(source, str):
        raise ImproperlyConfigured(f'@on_payload needs the name of a source: @on_payload("stripe"), not {source!r}')
    _check_exceptions(source, "retry_on", retry_on)
    _check_exceptions(source, "give_up_on", give_up_on)

    def register(function: PayloadFunction) -> PayloadFunction:
        _check_runs(function)
        before = payload_handlers.get(source)
        if before is not None and name_of(before.function) != name_of(function):
            raise ImproperlyConfigured(f"{source!r} has two handlers: {name_of(before.function)}, {name_of(function)}")
        payload_handlers[source] = PayloadHandler(source, function, atomic, retry_on, give_up_on)
        return function

    return register


def on_event(name: str) -> Callable[[EventFunction], EventFunction]:
    """Register a function as the channel `name`: it gets each event of that name, at least once.

    Raises ImproperlyConfigured if the function cannot work as written.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name) or name in RESERVED:
        raise ImproperlyConfigured(
            f"{name!r} is not a valid event name: write at most 32 capital letters, digits and _;"
            f" {', '.join(sorted(RESERVED))} are reserved"
        )

    def register(function: EventFunction) -> EventFunction:
        _check_runs(function)
        before = event_handlers.get(name)
        if before is not None and name_of(before) != name_of(function):
            raise ImproperlyConfigured(f"{name!r} has two handlers: {name_of(before)}, {name_of(function)}")
        event_handlers[name] = function
        return function

    return register


def autodiscover() -> None:
    """Import the module `handlers` of each installed app."""
    autodiscover_modules("handlers")


def _check_exceptions(source: str, option: str, value: Any) -> None:
    if value is None and option == "retry_on":
        return
    if isinstance(value, tuple) and all(isinstance(one, type) and issubclass(one, BaseException) for one in value):
        return
    hint = f"write a tuple of exception classes, such as {option}=(ConnectionError,)"
    raise ImproperlyConfigured(f"The handler of {source!r} has {option}={value!r}: {hint}")


def _check_runs(function: Callable[..., Any]) -> None:
    """A call of a coroutine or generator function does nothing, and must not count as done."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        hint = "write a plain def, and call asgiref.sync.async_to_sync() in it"
        raise ImproperlyConfigured(f"{name_of(function)} is async, and handlers run in threads: {hint}")
    if inspect.isgeneratorfunction(function):
        raise ImproperlyConfigured(f"{name_of(function)} is a generator, so nothing of it would run: remove its yield")


def name_of(function: Callable[..., Any]) -> str:
    """A handler's module and name."""
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
