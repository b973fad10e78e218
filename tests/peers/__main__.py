"""Measures our queue and others in turn, and prints two tables."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.machine import load, machine
from tests.benchmarks.needs import is_there, lacks
from tests.benchmarks.rounds import interleaved, ratios
from tests.benchmarks.table import NOTE, PAGE, Row, at_least, at_most, markdown, replace_table, spread
from tests.peers.measure import Measured, empty_view
from tests.peers.queues import FULL, HUEY_SQLITE, POSTGRESQL, PROCRASTINATE_QUEUE, QUEUES, SQLITE, Queue, huey_redis
from tests.support.ports import answers, free_port
from tests.support.wait import wait_for

HEAD: Final = "| queue | enqueue 1 kB | POST, of an empty view | jobs a second | idle, enqueue to start |"

#: By queue: µs of a call, ratio of posts, jobs a second, ms to the start; each by round.
Figures = Mapping[str, list[list[float]]]


def main() -> None:
    options = _parser().parse_args()
    if why := lacks("wrk", "postgresql"):
        sys.exit(why)
    started, before = time.monotonic(), load()
    with (
        tempfile.TemporaryDirectory(prefix="proppy-peers-") as folder,
        Lab(Path(folder), quick=options.quick, rounds=options.rounds) as lab,
        _redis(Path(folder)) as redis,
    ):
        figures = _measure(lab, [*QUEUES, *redis])
    seconds = time.monotonic() - started
    rows = "\n".join(_line(name, *by_round) for name, by_round in figures.items())
    report = (
        f"{machine()}.\n{lab.rounds} rounds a row. Load average {before} before, {load()} after {seconds:.0f} s."
        f"\n\n{NOTE}\n\n{HEAD}\n|{' --- |' * 5}\n{rows}\n\n{markdown(_rows(figures))}\n"
    )
    print(f"\n{report}", end="")
    if options.write:
        replace_table(PAGE, "make bench-peers", report)


def _measure(lab: Lab, queues: Iterable[Queue]) -> Figures:
    empty = empty_view(lab)
    measured = {queue.name: Measured(lab, queue) for queue in queues}
    for each in (empty, *(each.posts for each in measured.values())):
        each.choose()
    (empties, *rounds) = interleaved(lab.rounds, lambda: (empty.rate(),), *(each.round for each in measured.values()))
    by_name = zip(measured, rounds, strict=True)
    figures = {name: [list(column) for column in zip(*each, strict=True)] for name, each in by_name}
    for columns in figures.values():
        columns[1] = ratios(columns[1], [rate for (rate,) in empties])
    return figures


def _line(name: str, calls: list[float], posts: list[float], jobs: list[float], starts: list[float]) -> str:
    cells = (spread(calls, "µs"), spread(posts, "x"), spread(jobs, "a second"), spread(starts, "ms"))
    return f"| {name} | {' | '.join(cells)} |"


def _rows(figures: Figures) -> Iterator[Row]:
    calls, jobs = ({name: columns[at] for name, columns in figures.items()} for at in (0, 2))
    in_process = ratios(calls[FULL.name], calls[HUEY_SQLITE.name])
    yield at_most("`capture()`, SQLite FULL", "Huey's enqueue on SQLite", in_process, 0.8, "")
    for ours, theirs, bound in ((SQLITE, HUEY_SQLITE, 2.5), (POSTGRESQL, PROCRASTINATE_QUEUE, 5)):
        handled = ratios(jobs[ours.name], jobs[theirs.name])
        yield at_least(f"`process_raw`, empty atomic handler, {ours.name}", theirs.name, handled, bound, "")


@contextmanager
def _redis(folder: Path) -> Iterator[list[Queue]]:
    """Huey's queue on a Redis of its own, with Redis' defaults; nothing where there is none."""
    if not is_there("redis-server"):
        print("Huey on Redis is left out: apt-get install redis-server", file=sys.stderr)
        yield []
        return
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: answers(port), message="redis-server")
            yield [huey_redis(port)]
        finally:
            server.terminate()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds a row (5)")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/speed.md")
    parser.add_argument("--quick", action="store_true", help="only see whether it runs; the figures mean nothing")
    return parser


if __name__ == "__main__":
    main()
