"""akeep() and acapture(): the same as keep() and capture(), for code on an event loop."""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db.transaction import TransactionManagementError
from django.http import HttpRequest

from notifications.database.loop_connections import is_inside_transaction
from notifications.intake.capture_post import capture
from notifications.intake.keep_bytes import keep

P = ParamSpec("P")
T = TypeVar("T")

INSIDE: Final = (
    "a{name}() inside atomic(): it would not be part of the transaction. Write `await sync_to_async(f)()`, where f()"
    " opens atomic() and calls {name}()"
)


async def akeep(
    source: str,
    body: bytes,
    *,
    content_type: str = "",
    headers: Mapping[str, str] | None = None,
    key: str | None = None,
    not_before: datetime | None = None,
) -> uuid.UUID:
    """`keep()` from an event loop: it runs in a thread, as Django's `sync_to_async` chooses it.

    Raises TransactionManagementError inside a transaction, and what `keep()` raises. If it is cancelled, the bytes may
    be stored all the same.
    """
    return await _outside_transactions(
        keep, source, body, content_type=content_type, headers=headers, key=key, not_before=not_before
    )


async def acapture(request: HttpRequest, source: str) -> uuid.UUID:
    """`capture()` from an async view decorated with `@raw_body`.

    Raises TransactionManagementError inside a transaction, and what `capture()` raises.
    """
    return await _outside_transactions(capture, request, source)


async def _outside_transactions(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    def checked() -> T:
        _refuse_inside(function)
        return function(*args, **kwargs)

    _refuse_inside(function)
    return await sync_to_async(checked)()


def _refuse_inside(function: Callable[..., object]) -> None:
    if is_inside_transaction():
        raise TransactionManagementError(INSIDE.format(name=function.__name__))
