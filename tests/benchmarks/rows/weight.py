"""What visitors see of workers that have less weight than the web servers: the soak's mix without faults.

Two whole sites, each with two web servers and both workers on all cores. Only one is busy at a time.
"""

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from typing import Final

import psycopg

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rounds import interleaved, ratios
from tests.benchmarks.table import Row, at_most, reported, spread, unmeasured
from tests.soak.effects import UNFINISHED
from tests.soak.histogram import Histogram
from tests.soak.load import Load, Moment
from tests.soak.plant import Plant
from tests.soak.tally import Tally
from tests.support.wait import wait_for

#: As `make run` has the workers; the units have the like.
NICE: Final = 10
PATH: Final = "the soak's mix at 100 requests a second, workers with nice 10"
LIMIT: Final = "workers with nice 0"
RATE: Final = 100.0
SECONDS: Final = 15.0
PILE: Final = "nothing waits after a minute of 200 requests a second, the first 10 s of it with an SMTP of 3 s"
PILE_RATE, PILE_SECONDS, SLOW_SECONDS, LATENCY = 200.0, 60.0, 10.0, 3.0

#: Milliseconds of the median of all requests, of that of raw posts, and of their 99th percentiles.
Times = tuple[float, float, float, float]


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("root", "journald", "postgresql"):
        yield unmeasured(PATH, why)
        return
    with ExitStack() as stack:
        even, nice = (
            stack.enter_context(Plant(lab.new_folder(), threading.Event().wait, nice=number)) for number in (0, NICE)
        )
        equal, less = interleaved(lab.rounds, partial(_times, lab, even, count()), partial(_times, lab, nice, count()))
        for number, what in enumerate(("median", "median of posts", "p99", "p99 of posts")):
            yield _row(what, [times[number] for times in less], [times[number] for times in equal])
        yield at_most(PILE, "", [_seconds_of_pile(lab, nice)], 60, f"workers with nice {NICE}, on all cores", "s")


def _row(what: str, ours: list[float], theirs: list[float]) -> Row:
    text = f"{spread(ours, 'ms')}; nice 0 {spread(theirs, 'ms')}"
    return reported(f"{what}, {PATH}", LIMIT, ratios(ours, theirs), text)


def _times(lab: Lab, plant: Plant, rounds: Iterator[int]) -> Times:
    """With new visitors in each round: both plants have the same ones."""
    load = _sent(plant, RATE, lab.seconds(SECONDS), f"round {next(rounds)}")
    everything = _merged(load.routes.values())
    posts = _merged(tally for name, tally in load.routes.items() if name.startswith("POST /in/"))
    quantiles = [each.quantile(share) * 1000 for share in (0.5, 0.99) for each in (everything, posts)]
    return quantiles[0], quantiles[1], quantiles[2], quantiles[3]


def _seconds_of_pile(lab: Lab, plant: Plant) -> float:
    """Seconds from the last answer until all payloads are handled."""
    plant.mail.latency = LATENCY
    mend = threading.Timer(lab.seconds(SLOW_SECONDS), lambda: setattr(plant.mail, "latency", 0.0))
    mend.start()
    _sent(plant, PILE_RATE, lab.seconds(PILE_SECONDS), "pile")
    mend.join()
    started = time.monotonic()
    with psycopg.connect(plant.postgres.url, autocommit=True) as connection:
        wait_for(lambda: _unfinished(connection) == 0, timeout=300, message="all payloads are handled")
    return time.monotonic() - started


def _unfinished(connection: "psycopg.Connection[tuple[int]]") -> int:
    row = connection.execute(UNFINISHED).fetchone()
    return row[0] if row else 0


def _sent(plant: Plant, rate: float, seconds: float, seed: str) -> Load:
    load = Load(plant.site.port, seed, lambda: Moment("", 0), plant.held)

    async def send() -> None:
        await load.warm_up()
        await load.run(round(rate * seconds), rate, seconds)

    asyncio.run(send())
    if load.errors:
        raise RuntimeError(f"not all were answered well: {load.errors.most_common(5)}")
    return load


def _merged(tallies: Iterable[Tally]) -> Histogram:
    merged = Histogram()
    for tally in tallies:
        merged.merge(tally.quiet)
    return merged
