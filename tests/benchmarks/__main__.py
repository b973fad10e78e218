"""Measures, and prints the table. Figures are no assertions: the exit code is 0, unless --check says otherwise."""

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

from tests.benchmarks import conditions
from tests.benchmarks.lab import Lab
from tests.benchmarks.machine import load, machine
from tests.benchmarks.rows import BENCHMARKS, ON_DEMAND
from tests.benchmarks.table import NOTE, PAGE, README, Row, bullets, line, markdown, replace_table, unmeasured


def main() -> int:
    parser = _parser()
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write needs all rows")
    signal.signal(signal.SIGTERM, _end)
    started, before = time.monotonic(), load()
    with (
        tempfile.TemporaryDirectory(prefix="proppy-bench-") as folder,
        Lab(Path(folder), quick=options.quick, rounds=options.rounds, conditions=conditions.of_options(options)) as lab,
    ):
        rows = list(_measure(lab, options.only or BENCHMARKS))
    seconds = time.monotonic() - started
    report = (
        f"{machine()}.\n{lab.rounds} rounds a row, {lab.conditions}."
        f" Load average {before} before, {load()} after {seconds:.0f} s.\n\n{NOTE}\n\n{markdown(rows)}\n"
    )
    print(f"\n{report}", end="")
    if options.write:
        replace_table(PAGE, "make bench", report)
        replace_table(README, "make bench", f"{bullets(rows)}- Measured on {machine()}.\n")
    missed = [row for row in rows if row.reached is False]
    return bool(options.check and missed)


def _measure(lab: Lab, names: Iterable[str]) -> Iterator[Row]:
    for name in names:
        started = time.monotonic()
        _say(f"{name} … (load average {load()})")
        try:
            for row in (BENCHMARKS | ON_DEMAND)[name](lab):
                _say(f"  {line(row)}")
                yield row
        except Exception:  # noqa: BLE001  the others are worth measuring all the same
            traceback.print_exc()
            yield unmeasured(name, "failed, see above")
        _say(f"  {time.monotonic() - started:.0f} s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _end(signum: int, _: FrameType | None) -> None:
    sys.exit(128 + signum)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    names = [*BENCHMARKS, *ON_DEMAND]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds a row (5)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a figure was missed")
    parser.add_argument(
        "--write", action="store_true", help="put the table into docs/speed.md, and some of it into README.md"
    )
    parser.add_argument("--quick", action="store_true", help="only see whether they run; the figures mean nothing")
    conditions.add_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
