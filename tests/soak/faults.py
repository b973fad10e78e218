"""Faults, one after another with quiet between them, in seeded rounds of all kinds."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from tests.soak.load import Moment
from tests.soak.plant import Plant
from tests.soak.servers import lying
from tests.soak.web import LONGEST_FREEZE

#: Seconds until what runs is looked at again.
LOOK: Final = 0.5
#: Seconds that a slow third party takes for an answer.
SLOW: Final = 3.0
#: Seconds in turn, of a slow S3.
STILL, MOVES = 0.8, 0.2

Fault = Callable[[float], object]
Span = tuple[float, float]


def kinds(plant: Plant) -> dict[str, Fault]:
    """What can go wrong: a function that breaks it for so many seconds and mends it."""
    slack, mail, s3, journald, postgres = plant.slack, plant.mail, plant.s3, plant.journald, plant.postgres

    def held(make: Callable[[], AbstractContextManager[object]]) -> Fault:
        def fault(seconds: float) -> None:
            with make():
                plant.rest(seconds)

        return fault

    def then_rest(act: Callable[[], object]) -> Fault:
        def fault(seconds: float) -> None:
            act()
            plant.rest(seconds)

        return fault

    return {
        "Slack down": held(lambda: slack.failing(["reset", 503])),
        "Slack slow": held(lambda: slack.slow(SLOW)),
        "Slack lies": held(lambda: slack.failing(["html", {"ok": False, "error": "fatal_error"}, 500])),
        "Slack hangs up after taking": held(lambda: slack.failing(["lost"])),
        "SMTP down": held(lambda: _between(mail.stop, mail.start)),
        "SMTP slow": held(lambda: _set(mail, "latency", SLOW, 0.0)),
        "SMTP refuses": held(lambda: _set(mail, "refuses", True, False)),
        "S3 down": held(lambda: _between(s3.stop, s3.start)),
        "S3 slow": lambda seconds: _stutter(plant, seconds),
        "S3 silent": held(lambda: _between(s3.pause, s3.resume)),
        "S3 lies": held(lambda: lying(s3)),
        "PostgreSQL restarted, fast": then_rest(lambda: postgres.restart("fast")),
        "PostgreSQL restarted, immediate": then_rest(lambda: postgres.restart("immediate")),
        "PostgreSQL killed": then_rest(lambda: plant.database.kill(random.Random(0))),
        "PostgreSQL away": held(lambda: _between(lambda: postgres.stop("fast"), postgres.start)),
        "PostgreSQL silent": held(postgres.paused),
        "process_raw killed": then_rest(lambda: plant.kill_worker("process_raw")),
        "follow_journal killed": then_rest(lambda: plant.kill_worker("follow_journal")),
        "journald stopped": held(lambda: _back(plant, _between(journald.pause, journald.resume))),
        "journald restarted": then_rest(lambda: _restart_journald(plant)),
        "web server killed": then_rest(lambda: plant.victim().kill()),
        "web worker killed": then_rest(lambda: plant.victim().kill_worker()),
        "web server frozen": lambda seconds: _freeze(plant, min(seconds, LONGEST_FREEZE)),
        "web worker frozen": then_rest(lambda: plant.victim().freeze_worker()),
    }


class Faults:
    """A thread: `with Faults(plant, …) as faults:` until the end of the block; all is mended then."""

    def __init__(
        self, plant: Plant, seed: str, over: threading.Event, *, seconds: Span, quiet: Span, only: str = ""
    ) -> None:
        self.seen: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self._plant, self._length, self._quiet, self._over = plant, seconds, quiet, over
        self._kinds = {name: fault for name, fault in kinds(plant).items() if name.startswith(only)}
        self._chance = random.Random(f"{seed} faults")
        self._now = Moment("", 0)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._guard, name="faults")

    def __enter__(self) -> "Faults":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._error:
            raise self._error

    def now(self) -> Moment:
        """What goes on."""
        return self._now

    def had_each(self) -> bool:
        """Whether each kind has been there to its end, or no more will."""
        return self._over.is_set() or self.seconds.keys() == self._kinds.keys()

    def _guard(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001  raised at the end of the block
            self._error = error
            self._over.set()

    def _run(self) -> None:
        while True:
            for name in self._chance.sample(list(self._kinds), k=len(self._kinds)):
                length = self._chance.uniform(*self._length)
                if self._is_over_after(self._chance.uniform(*self._quiet)):
                    return
                self._break(name, length)

    def _break(self, name: str, length: float) -> None:
        started = time.monotonic()
        self._now = Moment(name, self._now.number + 1, started)
        self.seen[name] += 1
        try:
            self._kinds[name](length)
        finally:
            self._now = Moment("", self._now.number + 1, time.monotonic())
            self.seconds[name] += round(time.monotonic() - started)

    def _is_over_after(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._plant.look_after()
            if self._over.wait(min(LOOK, left)):
                return True
        return self._over.is_set()


def _stutter(plant: Plant, seconds: float) -> None:
    """S3 stands still for most of each second."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with _between(plant.s3.pause, plant.s3.resume):
            if plant.rest(STILL):
                return
        plant.rest(MOVES)


def _freeze(plant: Plant, seconds: float) -> None:
    with plant.victim().frozen():
        plant.rest(seconds)


def _restart_journald(plant: Plant) -> None:
    with _back(plant, nullcontext()):
        plant.journald.restart()


@contextmanager
def _back(plant: Plant, away: AbstractContextManager[object]) -> Iterator[None]:
    """Note when journald was back."""
    with away:
        yield
    plant.journald_back = time.monotonic()


@contextmanager
def _between(first: Callable[[], object], last: Callable[[], object]) -> Iterator[None]:
    first()
    try:
        yield
    finally:
        last()


@contextmanager
def _set(thing: object, name: str, value: object, before: object) -> Iterator[None]:
    setattr(thing, name, value)
    try:
        yield
    finally:
        setattr(thing, name, before)
