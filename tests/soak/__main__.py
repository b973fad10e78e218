"""Sends a steady load at the site while faults come and go, and prints the accounts. See docs/soak.md."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from tests.benchmarks.machine import load, machine
from tests.soak.run import Options, say, soak


def main() -> int:
    """0 where the goal was reached, else 1; the folder with all logs stays then."""
    arguments = _parser().parse_args()
    options = Options(
        requests=arguments.requests,
        rate=arguments.rate,
        seed=arguments.seed,
        seconds=arguments.seconds,
        fault_seconds=tuple(arguments.fault_seconds),
        quiet_seconds=tuple(arguments.quiet_seconds),
        only=arguments.only,
    )
    signal.signal(signal.SIGTERM, _end)
    folder = Path(tempfile.mkdtemp(prefix="proppy-soak-"))
    before = load()
    result = soak(options, folder / "plant", say)
    print(f"Run of {time.strftime('%Y-%m-%d')}: {options.rate:g} requests a second, seed {options.seed}, faults of")
    print(f"{_span(options.fault_seconds)} s with {_span(options.quiet_seconds)} s between them. {machine()}.")
    print(f"Load average {before} before, {load()} after.\n\n{result.text()}")
    for line in [*result.load.samples, *result.losses, *map(str, result.exits.items())]:
        say(line)
    if result.reached:
        shutil.rmtree(folder)
        return 0
    say("\n".join([*result.logs[-30:], f"all logs are in {folder}"]))
    return 1


def _end(signum: int, _: FrameType | None) -> None:
    sys.exit(128 + signum)


def _span(seconds: tuple[float, float]) -> str:
    return f"{seconds[0]:g} to {seconds[1]:g}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    default = Options()
    parser.add_argument("--requests", type=int, default=default.requests, help="how many to send")
    parser.add_argument("--rate", type=float, default=default.rate, help="requests a second")
    parser.add_argument("--seed", default=default.seed, help="decides what is sent, and what breaks when")
    parser.add_argument("--seconds", type=float, default=default.seconds, help="end it after so long")
    parser.add_argument("--fault-seconds", default=default.fault_seconds, type=float, nargs=2, help="of a fault")
    parser.add_argument(
        "--quiet-seconds", default=default.quiet_seconds, help="time between faults", type=float, nargs=2
    )
    parser.add_argument("--only", default=default.only, help="faults whose names begin so, such as PostgreSQL")
    return parser


if __name__ == "__main__":
    sys.exit(main())
