"""The threads of the gate under ASGI: a post waits for one for a moment only."""

import asyncio
import threading

import pytest

from notifications.intake.gate import on_event_loop
from notifications.intake.gate.on_event_loop import THREADS, in_thread


def test_where_all_hang_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_event_loop, "PATIENCE", 30)
    free, began, ran = threading.Event(), threading.Semaphore(0), threading.Event()

    def hang() -> str:
        began.release()
        assert free.wait(30)
        return "stored"

    def run() -> str:
        ran.set()
        return "ran"

    async def ask() -> None:
        hanging = [asyncio.create_task(in_thread(hang)) for _ in range(THREADS)]
        for _ in range(THREADS):
            assert await asyncio.to_thread(began.acquire, timeout=30)
        with monkeypatch.context() as hurried:
            hurried.setattr(on_event_loop, "PATIENCE", 0.01)
            assert await in_thread(run) is None
        free.set()
        assert await asyncio.gather(*hanging) == ["stored"] * THREADS
        assert await in_thread(lambda: "next") == "next"

    asyncio.run(ask())
    assert not ran.is_set()


def test_what_it_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(lambda: 1 // 0))
