"""deploy/rollback: switches to the previous release, or to a named one."""

import argparse
import re
import subprocess
from pathlib import Path

from deploy.operate import release as releases
from deploy.operate import sandbox
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
        for name in left_applied(machine, unknown_migrations(target, now), now):
            machine.say(f"note: the migration {name} stays applied; {target.name} does not know it")
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


def left_applied(machine: Machine, names: list[str], now: Path | None) -> list[str]:
    """Those of these migrations that are applied, as the database says; all of them if it does not answer."""
    if now is None or not names:
        return names
    done = subprocess.run(sandbox.manage(now, "showmigrations", "--plan"), capture_output=True, text=True)
    if done.returncode:
        machine.say("note: the database does not say which migrations are applied; these may be:")
        return names
    return [name for name in names if name in applied(done.stdout)]


def applied(plan: str) -> set[str]:
    """The migrations that `showmigrations --plan` marks as applied, as app/name."""
    return {f"{app}/{name}" for app, name in re.findall(r"^\[X\]\s+(\w+)\.(\w+)", plan, re.MULTILINE)}


def migrations(release: Path) -> set[str]:
    return {f"{path.parts[-3]}/{path.stem}" for path in release.glob("*/migrations/[0-9]*.py")}


if __name__ == "__main__":
    to_exit(main)
