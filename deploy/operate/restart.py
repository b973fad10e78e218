"""proppy-restart: applies changed settings, one service after the other, without refusing a request."""

import argparse
from pathlib import Path

from deploy.operate import release as releases
from deploy.operate import sandbox, services
from deploy.operate.machine import Failed, Machine, alone, require_root, to_exit


def main() -> None:
    parser = argparse.ArgumentParser(prog="proppy-restart", description=__doc__)
    parser.add_argument(
        "--no-check",
        action="store_true",
        help="restart even if settings are refused, or the database cannot be connected to",
    )
    options = parser.parse_args()
    require_root()
    machine, release = Machine(), releases.current()
    if release is None:
        raise Failed("Nothing is installed here: run deploy/install first.")
    with alone():
        if not options.no_check:
            check(machine, release)
        services.start(machine)


def check(machine: Machine, release: Path) -> None:
    """Raises Failed if the services would not run with the current settings, or on another database.

    One after the other would stop, or take posts into the spool.
    """
    try:
        sandbox.check(machine, release)
        sandbox.check_tables(machine, release)
    except Failed as error:
        raise Failed(
            f"{error}\nNothing was stopped. Mend this, or restart all the same: proppy-restart --no-check"
        ) from error


if __name__ == "__main__":
    to_exit(main)
