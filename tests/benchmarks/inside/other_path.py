"""What the gate takes of a request to any other path: the WSGI entry with an open gate and without one, in turn."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, Final
from unittest import mock

from django.core.handlers.wsgi import WSGIHandler

from notifications import wsgi
from notifications.intake.gate.gate import open_gate
from tests.benchmarks.rounds import interleaved

#: Pairs of a round: a median of many short ones, since what is looked for is a tenth of what is timed.
PAIRS: Final = 40


def run(*, rounds: int, calls: int) -> dict[str, list[float]]:
    """µs that the gate adds, and µs of a call without it, by round; in tight loops."""
    application = wsgi.get_wsgi_application()
    if open_gate() is None:
        raise RuntimeError("the gate is shut")
    with mock.patch.object(WSGIHandler, "__call__", _nothing):
        (found,) = interleaved(rounds, lambda: _compare(application, calls))
    added, shut = zip(*found, strict=True)
    return {"added": list(added), "shut": list(shut)}


def _compare(application: Any, calls: int) -> tuple[float, float]:
    pairs = [(_time(application, calls), _time_shut(application, calls)) for _ in range(PAIRS)]
    return median(opened - shut for opened, shut in pairs), median(shut for _, shut in pairs)


def _nothing(*_: Any) -> None:
    """In place of Django."""


def _time(application: Any, calls: int) -> float:
    environ = {"PATH_INFO": "/photos/7/"}
    start = time.perf_counter()
    for _ in range(calls):
        application(environ, None)
    return (time.perf_counter() - start) / calls * 1e6


def _time_shut(application: Any, calls: int) -> float:
    with _without_gate():
        return _time(application, calls)


@contextmanager
def _without_gate() -> Iterator[None]:
    """The entry of a class whose changes the gate does not know asks for none."""
    with mock.patch.object(wsgi, "Handler", type("Other", (wsgi.Handler,), {})):
        yield
