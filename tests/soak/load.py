"""Sends requests at a steady rate, however slowly they are answered, and counts what comes of each."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.soak.histogram import Histogram
from tests.soak.ledger import Ledger
from tests.soak.mix import RawPosts, Request, http
from tests.soak.visitors import Visitors
from tests.soak.wire import Answer, Broken, Wires

#: Of all requests; the others are visitors'.
RAW_SHARE: Final = 0.7
SAMPLES: Final = 50
#: Requests that wait for an answer at most: a machine that cannot keep up is not buried, and the time still counts.
MOST: Final = 400
#: Seconds after a fault in which posts may still go to the spool: there is a breaker, and what it has to import.
AFTERMATH: Final = 10.0
#: Pages that are asked for before the clock starts.
WARM_UP: Final = 40


@dataclass(frozen=True, slots=True)
class Moment:
    """What goes on: the fault, "" for none, and a number that each beginning and end makes one larger."""

    fault: str
    number: int
    #: By time.monotonic().
    since: float = 0.0


@dataclass(slots=True)
class Tally:
    """Of a route, or of a fault: requests, errors, friendly 503s of pages, and times in quiet and under a fault."""

    requests: int = 0
    errors: int = 0
    away: int = 0
    quiet: Histogram = field(default_factory=Histogram)
    disturbed: Histogram = field(default_factory=Histogram)


class Load:
    """Open loop: each request is timed from the moment that it was due. `now()` tells what goes on."""

    def __init__(self, port: int, seed: str, now: Callable[[], Moment]) -> None:
        self.ledger = Ledger()
        self.routes: dict[str, Tally] = {}
        #: By fault. Only raw routes have times in these.
        self.faults: dict[str, Tally] = {}
        self.errors: Counter[str] = Counter()
        self.samples: list[str] = []
        self.raw_errors = 0
        self.seconds = 0.0
        self.in_flight = 0
        self.stopped = False
        self._now, self._wires = now, Wires(port)
        self._chance = random.Random(f"{seed} mix")
        self._raw = RawPosts(random.Random(f"{seed} raw"), self.ledger)
        self._visitors = Visitors(random.Random(f"{seed} visitors"), self.ledger)

    @property
    def sent(self) -> int:
        """Requests that were answered, or broken."""
        return sum(tally.requests for tally in self.routes.values())

    async def warm_up(self) -> None:
        """Let each server import what it imports with its first requests. Raises Broken."""
        for _ in range(WARM_UP):
            await self._wires.exchange(http("GET", "/", self._chance), alone=True)
            self.ledger.requests += 1

    async def run(self, requests: int, rate: float, seconds: float) -> None:
        """Send so many, until `stopped` or for at most so many seconds; all are answered when this returns."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(requests):
                due = started + number / rate
                if (early := due - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                while self.in_flight >= MOST:
                    await asyncio.sleep(0.01)
                if self.stopped or due - started > seconds:
                    break
                request = (self._raw if self._chance.random() < RAW_SHARE else self._visitors).next()
                group.create_task(self._send(request, due, self._now()))
        await self._wires.close()
        self.seconds = time.monotonic() - started

    async def _send(self, request: Request, due: float, before: Moment) -> None:
        self.in_flight += 1
        problem, away = "", False
        try:
            answer = await self._wires.exchange(request.data, alone=request.alone, end=request.end)
            took, disturbed = time.monotonic() - due, self._is_disturbed(before)
            self.ledger.requests += request.counted
            away = not request.raw and is_friendly(answer)
            problem = "" if away else _judge(request, answer, uneasy=disturbed or self._was_disturbed())
        except Broken as error:
            took, disturbed = time.monotonic() - due, self._is_disturbed(before)
            problem = str(error)
        finally:
            self.in_flight -= 1
        if away or problem:
            request.fail()
        fault = (before.fault or self._now().fault or "just after a fault") if disturbed else ""
        self._count(request, took, fault, problem, away=away)

    def _is_disturbed(self, before: Moment) -> bool:
        return bool(before.fault) or self._now().number != before.number

    def _was_disturbed(self) -> bool:
        return time.monotonic() - self._now().since < AFTERMATH

    def _count(self, request: Request, took: float, fault: str, problem: str, *, away: bool) -> None:
        route, by_fault = self.routes.setdefault(request.route, Tally()), self.faults.setdefault(fault, Tally())
        for tally in (route, by_fault):
            tally.requests += 1
            tally.errors += bool(problem)
            tally.away += away
        (route.disturbed if fault else route.quiet).add(took)
        if request.raw:
            (by_fault.disturbed if fault else by_fault.quiet).add(took)
        if problem:
            self.raw_errors += request.raw
            self.errors[f"{request.route}: {problem} ({fault or 'no fault'})"] += 1
            if len(self.samples) < SAMPLES:
                clock = time.strftime("%H:%M:%S")
                self.samples.append(f"{clock} {request.route} after {took:.2f} s: {problem} ({fault or 'no fault'})")


def is_friendly(answer: Answer) -> bool:
    """A 503 that is a page, and says when to come back."""
    is_page = (
        answer.headers.get("content-type", "").startswith("text/html") and b"<!doctype html" in answer.body.lower()
    )
    return answer.status == 503 and is_page and "retry-after" in answer.headers


def _judge(request: Request, answer: Answer, *, uneasy: bool) -> str:
    """What is wrong with an answer, else ""."""
    if answer.status not in request.expect:
        return f"{answer.status} instead of {sorted(request.expect)}" + (" of a friendly kind" * is_friendly(answer))
    try:
        return request.settle(answer, uneasy)
    except (AssertionError, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
