"""How long the workers hold SQLite's one write lock: idle, and beside visitors. Prints two tables.

    python -m tests.benchmarks.lock_times [SECONDS] [SYNCHRONOUS]

A stock project with both workers; visitors come 20 times a second from two processes.
"""

import io
import statistics
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Final

from tests.support.stock_project import DATABASE, StockProject
from tests.support.wait import wait_for

SETTINGS: Final = """
from tests.benchmarks.held_locks import TracedConnection

DATABASES["default"]["OPTIONS"]["factory"] = TracedConnection
NOTIFICATIONS_SOURCES["limited"] = {"max_waiting": 1000}
"""
#: Seconds from one visit of a process to its next.
PAUSE: Final = 0.1
HEADER: Final = "| process | function | times a second | median, µs | p99, µs | longest, µs | share of the time |"


def main(seconds: float = 60.0, synchronous: str = "FULL") -> None:
    database = DATABASE.replace('sqlite3")', f'sqlite3", synchronous="{synchronous}")')
    with tempfile.TemporaryDirectory() as folder:
        stock = StockProject(Path(folder) / "stock", database + SETTINGS)
        trace = stock.folder / "trace"
        stock.env["LOCK_TRACE"] = str(trace)
        stock.manage("migrate", "--verbosity", "0")
        try:
            for worker in ("process_raw", "follow_journal"):
                stock.start("manage.py", worker)
            visits = [stock.start("-m", "tests.support.visits", "5", "0.1")]  # each channel has a position
            wait_for(lambda: not any(each.alive for each in visits))
            _pause(5)
            _measure("idle", trace, seconds)
            visits = [stock.start("-m", "tests.support.visits", str(int(seconds / PAUSE)), str(PAUSE)) for _ in "ab"]
            _measure("beside 20 visits a second", trace, seconds)
        finally:
            with redirect_stdout(io.StringIO()):  # it prints logs, for pytest to show
                stock.stop()


def _measure(name: str, trace: Path, seconds: float) -> None:
    trace.write_text("")
    _pause(seconds)
    print(f"\n{name}, {seconds:g} s\n\n{HEADER}\n{'| --- ' * 7}|")
    for line in _rows(trace.read_text().splitlines(), seconds):
        print(line)


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def _rows(lines: Iterable[str], seconds: float) -> Iterable[str]:
    times = defaultdict[tuple[str, str], list[float]](list)
    for line in lines:
        program, caller, microseconds, *_ = line.split("\t")
        times[program, caller].append(float(microseconds))
    for (program, caller), held in sorted(times.items(), key=lambda item: -sum(item[1])):
        p99 = sorted(held)[int(len(held) * 0.99)]
        yield (
            f"| {program} | `{caller}` | {len(held) / seconds:.2f} | {statistics.median(held):.0f} | {p99:.0f}"
            f" | {max(held):.0f} | {sum(held) / seconds / 1e4:.3f} % |"
        )


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 60.0, *sys.argv[2:3])
