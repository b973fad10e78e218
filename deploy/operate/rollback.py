"""deploy/rollback: back to the release before, or to one that is named."""

import argparse
from pathlib import Path

from deploy.operate import release as releases
from deploy.operate.install import switch
from deploy.operate.machine import RELEASES, Failed, Machine, alone, require_root, to_exit


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy/rollback", description="Go back to the release before.")
    parser.add_argument("release", nargs="?", help=f"its name, as in {RELEASES}; default: the one before")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    options = parser.parse_args()
    require_root()
    machine = Machine(dry_run=options.dry_run)
    with alone():
        now = releases.current()
        target = choose(releases.complete(), now, options.release)
        for name in newer_migrations(target, now):
            machine.say(f"note: the migration {name} stays applied; {target.name} does not know it")
        switch(machine, target, now)
        machine.say(f"done: {target.name} is in use")


def choose(there: list[Path], now: Path | None, name: str | None) -> Path:
    """The release to go to. Raises Failed, with those that there are."""
    if name is None:
        earlier = [path for path in there if now is not None and path.name < now.name]
        if not earlier:
            raise Failed(f"There is no release before {now.name if now else 'the first'}.")
        return earlier[-1]
    found = [path for path in there if path.name == name]
    if not found:
        raise Failed(f"There is no release {name!r}. There are: {', '.join(path.name for path in there) or 'none'}.")
    return found[0]


def newer_migrations(target: Path, now: Path | None) -> list[str]:
    """Migrations of the release in use that the other one does not have, app/name."""
    if now is None:
        return []
    return sorted(migrations(now) - migrations(target))


def migrations(release: Path) -> set[str]:
    return {f"{path.parts[-3]}/{path.stem}" for path in release.glob("*/migrations/[0-9]*.py")}


if __name__ == "__main__":
    to_exit(main)
