"""What visitors see of workers that have less weight than the web servers: the soak's mix without faults.

Whole sites, each with two web servers and both workers on all cores. Only one is busy at a time.
"""

import asyncio
import re
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
from tests.support.child import BASE_DIR
from tests.support.control_group import has_cpu_groups
from tests.support.wait import wait_for

#: As `make run` has the workers.
NICE: Final = 10
#: As the units have them.
UNIT: Final = BASE_DIR / "deploy" / "systemd" / "proppy-process-raw.service"
PATH: Final = "the soak's mix at 100 requests a second, workers with {}"
LIMIT: Final = "workers like web servers"
RATE: Final = 100.0
SECONDS: Final = 15.0
#: Nine mails a second: with more than 0.4 s each, four threads could not send them, whatever their weight.
PILE: Final = "nothing waits after a minute of 200 requests a second with an SMTP of 0.3 s"
PILE_RATE, PILE_SECONDS, LATENCY = 200.0, 60.0, 0.3

#: Milliseconds of the median of all requests, of that of raw posts, and of their 99th percentiles.
Times = tuple[float, float, float, float]


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("root", "journald", "postgresql"):
        yield unmeasured(PATH.format("less weight"), why)
        return
    weight = int(re.search(r"^CPUWeight=(\d+)$", UNIT.read_text(), re.MULTILINE)[1])  # type: ignore[index]  # it is there
    kinds: dict[str, dict[str, int]] = {LIMIT: {"nice": 0}, f"nice {NICE}": {"nice": NICE}}
    if has_cpu_groups():
        kinds[f"CPUWeight={weight}"] = {"nice": 0, "weight": weight}
    with ExitStack() as stack:
        wait = threading.Event().wait
        plants = [stack.enter_context(Plant(lab.new_folder(), wait, **kind)) for kind in kinds.values()]
        equal, *others = interleaved(lab.rounds, *(partial(_times, lab, plant, count()) for plant in plants))
        for name, less in zip(list(kinds)[1:], others, strict=True):
            for number, what in enumerate(("median", "median of posts", "p99", "p99 of posts")):
                path, ours = f"{what}, {PATH.format(name)}", [times[number] for times in less]
                yield _row(path, ours, [times[number] for times in equal])
        if not has_cpu_groups():
            yield unmeasured(PATH.format(f"CPUWeight={weight}"), "control groups have no weights here")
        pile = f"{PILE}, workers with {list(kinds)[-1]}"
        yield at_most(pile, "", [_seconds_of_pile(lab, plants[-1])], 60, "on all cores", "s")


def _row(path: str, ours: list[float], theirs: list[float]) -> Row:
    text = f"{spread(ours, 'ms')}; {LIMIT} {spread(theirs, 'ms')}"
    return reported(path, LIMIT, ratios(ours, theirs), text)


def _times(lab: Lab, plant: Plant, rounds: Iterator[int]) -> Times:
    """With new visitors in each round: both plants have the same ones."""
    load = _sent(plant, RATE, lab.seconds(SECONDS), f"round {next(rounds)}")
    everything = _merged(load.routes.values())
    posts = _merged(tally for name, tally in load.routes.items() if name.startswith("POST /in/"))
    quantiles = [each.quantile(share) * 1000 for share in (0.5, 0.99) for each in (everything, posts)]
    return quantiles[0], quantiles[1], quantiles[2], quantiles[3]


def _seconds_of_pile(lab: Lab, plant: Plant) -> float:
    """Seconds from the last answer until all payloads are handled; SMTP stays slow."""
    plant.mail.latency = LATENCY
    _sent(plant, PILE_RATE, lab.seconds(PILE_SECONDS), "pile")
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
