"""Runs a release's command as its services run: with their user, settings, credentials and sandbox, by systemd-run."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.operate.machine import CURRENT, Failed, Machine, require_root, to_exit

COMMON: Final = Path("deploy/systemd/proppy-.service.d/10-common.conf")


def properties(release: Path) -> list[str]:
    """The services' [Service] settings and After=, as NAME=VALUE."""
    section = ""
    found = []
    for line in (release / COMMON).read_text().splitlines():
        if line.startswith("["):
            section = line
        elif line.startswith("After=") or (section == "[Service]" and line and not line.startswith("#")):
            found.append(line)
    return found


def command(release: Path, words: Sequence[str], *, interactive: bool, more: Sequence[str] = ()) -> list[str]:
    """The whole command line. `more`: further settings of the unit."""
    # The group lets it read the journals, as the follower does.
    settings = [*properties(release), "SupplementaryGroups=systemd-journal", "Description=proppy: manage.py", *more]
    return [
        *("systemd-run", "--quiet", "--collect", "--wait", "--service-type=exec"),
        "--pty" if interactive else "--pipe",
        *(f"--property={setting}" for setting in settings),
        *(f"--setenv={name}={os.environ[name]}" for name in ("TERM", "LANG") if name in os.environ),
        *("--", str(release / "deploy" / "run"), *words),
    ]


def check(machine: Machine, release: Path) -> None:
    """Check that the services can run with the current settings, on a database that answers. Raises Failed if not."""
    run_manage(machine, release, "check", "--deploy", "--database", "default")


def check_tables(machine: Machine, release: Path) -> None:
    """Check that the database is one that this release has migrated. Raises Failed if not."""
    try:
        run_manage(machine, release, "migrate", "--check", quiet=True)
    except Failed as error:
        raise Failed(
            f"{error}\nThe database has not the tables of {release.name}: does DATABASE_URL name another one than"
            " before? For a new database run deploy/install, which makes them."
        ) from error


def run_manage(machine: Machine, release: Path, *arguments: str, quiet: bool = False) -> None:
    """Run manage.py as a step of an installation. Raises Failed."""
    what = f"manage.py {' '.join(arguments)}"
    machine.say(what)
    if not machine.dry_run:
        machine.run(manage(release, *arguments), quiet=quiet, what=what)


def manage(release: Path, *arguments: str) -> list[str]:
    """The command line of manage.py, for a program."""
    return command(release, ["python", "manage.py", *arguments], interactive=False)


def main() -> None:
    """proppy-manage COMMAND ARGUMENT...: manage.py of the release in use. Its exit status is the command's."""
    require_root()
    if not CURRENT.exists():
        raise Failed(f"There is no {CURRENT}: run deploy/install first.")
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    words = ["python", "manage.py", *sys.argv[1:]]
    sys.exit(subprocess.run(command(CURRENT.resolve(), words, interactive=interactive)).returncode)


if __name__ == "__main__":
    to_exit(main)
