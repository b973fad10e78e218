"""The gate under ASGI: the body was received on the event loop; a thread stores it, and keeps its connection."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from notifications.intake.answer import Answer
from notifications.intake.gate.gate import Admitted, Gate, Meta, tend_connections
from notifications.intake.received_body import ReceivedBody
from notifications.intake.request_body import take_received
from notifications.utils.forks import renew_after_fork

T = TypeVar("T")

#: Each has a database connection.
THREADS: Final = 8
#: Seconds that a post waits for one of them, all of which may hang in a store or a receiver.
PATIENCE: Final = 0.25


class _Threads:
    """Those of this process: a fork has none of its parent's."""

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="gate")


_threads = _Threads()


async def in_thread(work: Callable[[], T]) -> T | None:
    """None if no thread was free: nothing was done."""
    future = _threads.pool.submit(work)
    wrapped = asyncio.wrap_future(future)
    done, _ = await asyncio.wait({wrapped}, timeout=PATIENCE)
    if not done and future.cancel():
        return None
    return await wrapped


async def answer_in_thread(gate: Gate, admitted: Admitted, meta: Meta, body: ReceivedBody) -> Answer | None:
    """Store the post. None leaves the answer to Django; `meta` says what was decided, if a thread was free."""
    return await in_thread(partial(_answer, gate, admitted, meta, body))


def _answer(gate: Gate, admitted: Admitted, meta: Meta, body: ReceivedBody) -> Answer | None:
    try:
        return gate.answer(admitted, meta, partial(take_received, body))
    finally:
        tend_connections()
