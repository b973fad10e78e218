"""deploy/rollback: switches to the previous release, or to a named one."""

import argparse
from pathlib import Path

from deploy.operate import release as releases
from deploy.operate.install import check_and_migrate, switch
from deploy.operate.machine import RELEASES, Failed, Machine, alone, require_root, to_exit


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy/rollback", description="Go back to the previous release.")
    parser.add_argument("release", nargs="?", help=f"its name, as in {RELEASES}; default: the previous one")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    options = parser.parse_args()
    require_root()
    machine = Machine(dry_run=options.dry_run)
    with alone():
        now = releases.current()
        target = choose(releases.complete(), now, options.release)
        for name in unknown_migrations(target, now):
            machine.say(f"note: the migration {name} stays if it was applied; {target.name} does not know it")
        if unknown_migrations(now, target):
            check_and_migrate(machine, target)
        switch(machine, target, now)
        if not machine.dry_run:
            machine.say(f"done: {target.name} is in use")


def choose(there: list[Path], now: Path | None, name: str | None) -> Path:
    """The release to switch to: by name, else the previous one. Raises Failed, with the available ones."""
    if name is None:
        before = releases.before(now) if now else None
        if before not in there or before is None:
            raise Failed(f"There is no release before {now.name if now else 'the first'}.")
        return before
    found = [path for path in there if path.name == name]
    if not found:
        raise Failed(f"There is no release {name!r}. There are: {', '.join(path.name for path in there) or 'none'}.")
    return found[0]


def unknown_migrations(target: Path | None, now: Path | None) -> list[str]:
    """Migrations of `now` that `target` does not have, as app/name."""
    if now is None or target is None:
        return []
    return sorted(migrations(now) - migrations(target))


def migrations(release: Path) -> set[str]:
    return {f"{path.parts[-3]}/{path.stem}" for path in release.glob("*/migrations/[0-9]*.py")}


if __name__ == "__main__":
    to_exit(main)
