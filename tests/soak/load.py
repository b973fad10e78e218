"""Sends requests at a steady rate, however slowly they are answered, and counts what comes of each."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Final

from tests.soak.held import PROCESS, REQUEST, Held
from tests.soak.ledger import Ledger
from tests.soak.mix import RawPosts
from tests.soak.request import Request, http
from tests.soak.slow import SlowClients
from tests.soak.tally import Tally
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


class Load:
    """Open loop: each request is timed from the moment that it was due. `now()` tells what goes on.

    `held`: what web servers had in hand that were killed or frozen.
    """

    def __init__(self, port: int, seed: str, now: Callable[[], Moment], held: Held) -> None:
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
        self.slow = SlowClients(port, held)
        self._now, self._held, self._wires = now, held, Wires(port)
        self._chance = random.Random(f"{seed} mix")
        self._raw = RawPosts(random.Random(f"{seed} raw"), self.ledger)
        self._visitors = Visitors(random.Random(f"{seed} visitors"), self.ledger)

    @property
    def sent(self) -> int:
        """Requests that were answered, or broken."""
        return sum(tally.requests for tally in self.routes.values())

    @property
    def cut(self) -> int:
        """Requests without an answer, because their server was killed or frozen."""
        return sum(tally.cut for tally in self.routes.values())

    def all_routes(self) -> dict[str, Tally]:
        """With the slow clients."""
        return self.routes | self.slow.tallies

    async def warm_up(self) -> None:
        """Let each server import what it imports with its first requests. Raises Broken."""
        for _ in range(WARM_UP):
            self._note(await self._wires.exchange(http("GET", "/", self._chance), alone=True))

    async def run(self, requests: int, rate: float, seconds: float, enough: Callable[[], bool] = lambda: True) -> None:
        """Send so many and until it is `enough`, or `stopped`, or for at most so many seconds; all are answered when
        this returns.
        """
        started = time.monotonic()
        slow = asyncio.create_task(self.slow.run())
        async with asyncio.TaskGroup() as group:
            for number in count():
                due = started + number / rate
                if (early := due - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                while self.in_flight >= MOST:
                    await asyncio.sleep(0.01)
                if self.stopped or due - started > seconds or (number >= requests and enough()):
                    break
                request = (self._raw if self._chance.random() < RAW_SHARE else self._visitors).next()
                self.in_flight += 1
                group.create_task(self._send(request, due, self._now()))
        slow.cancel()
        self.errors.update(self.slow.errors)
        await self._wires.close()
        self.seconds = time.monotonic() - started

    async def _send(self, request: Request, due: float, before: Moment) -> None:
        problem, away, cut = "", False, ""
        try:
            answer = await self._wires.exchange(request.data, alone=request.alone, end=request.end)
            took, disturbed = time.monotonic() - due, self._is_disturbed(before)
            away = not request.raw and is_friendly(answer)
            problem = "" if away else _judge(request, answer, uneasy=disturbed or self._was_disturbed())
            self._note(answer, "" if away or problem else request.tells)
        except Broken as error:
            took, disturbed = time.monotonic() - due, self._is_disturbed(before)
            cut = self._held.cut(error.line)
            problem = "" if cut else str(error)
            self.ledger.unsure_requests += request.counted
        finally:
            self.in_flight -= 1
        if away or problem or cut:
            request.fail()
        fault = cut or ((before.fault or self._now().fault or "just after a fault") if disturbed else "")
        self._count(request, took, fault, problem, away=away, cut=bool(cut))

    def _note(self, answer: Answer, tells: str = "") -> None:
        """What the process of an answer has counted, and told."""
        if PROCESS in answer.headers:
            process = int(answer.headers[PROCESS])
            self.ledger.requests += 1
            self._held.answered(process, REQUEST)
            if tells:
                self._held.answered(process, tells)

    def _is_disturbed(self, before: Moment) -> bool:
        return bool(before.fault) or self._now().number != before.number

    def _was_disturbed(self) -> bool:
        return time.monotonic() - self._now().since < AFTERMATH

    def _count(self, request: Request, took: float, fault: str, problem: str, *, away: bool, cut: bool) -> None:
        route, by_fault = self.routes.setdefault(request.route, Tally()), self.faults.setdefault(fault, Tally())
        for tally in (route, by_fault):
            tally.requests += 1
            tally.errors += bool(problem)
            tally.away += away
            tally.cut += cut
        if cut:
            return
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
