"""deploy/install: the first installation, and each upgrade."""

import argparse
import re
import secrets
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from deploy.operate import release as releases
from deploy.operate import sandbox, services
from deploy.operate.machine import (
    BACKUPS,
    CREDENTIALS,
    CURRENT,
    ENV_FILE,
    ENVIRONMENTS,
    ETC,
    RELEASES,
    STATIC,
    UNFINISHED,
    USER,
    Failed,
    Machine,
    alone,
    require_root,
    to_exit,
)
from deploy.operate.machine_check import check_machine, check_room

SOURCE: Final = Path(__file__).resolve().parents[2]
PROGRAMS: Final = ("proppy-manage", "proppy-restart")
_LISTEN: Final = (
    "The site listens at ListenStream= of proppy-web.socket (systemctl edit proppy-web.socket, see"
    " deploy/README.md), 127.0.0.1:8000 unless set."
)
#: What replaces obsolete settings.
INSTEAD: Final = {
    "HOST": _LISTEN,
    "PORT": _LISTEN,
    "BACKUP_DIR": f"Backups are in {BACKUPS}; mount another disk there.",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy/install", description="Install or upgrade proppy from this checkout.")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument("--rebuild", action="store_true", help="make a new release even if nothing has changed")
    options = parser.parse_args()
    machine = Machine(dry_run=options.dry_run)
    if not machine.dry_run:
        require_root()
    check_machine()
    check_room()
    with nullcontext() if machine.dry_run else alone():
        install(machine, rebuild=options.rebuild)


def install(machine: Machine, *, rebuild: bool = False) -> None:
    """All steps. The release in use stays until the new one starts, and is put back if that fails."""
    prepare(machine)
    before = releases.current()
    there = releases.complete()
    new = releases.build(machine, SOURCE, rebuild=rebuild)
    try:
        check_and_migrate(machine, new)
    except BaseException:
        if new.exists() and new not in there:
            shutil.rmtree(new)
        raise
    switch(machine, new, before, source=SOURCE if machine.dry_run else new)
    if not machine.dry_run and new != before:
        (new / releases.COMPLETE).write_text(before.name if before else "")
    for name in PROGRAMS:
        machine.link(Path("/usr/local/bin") / name, CURRENT / "deploy" / name)
    releases.remove_old(machine)
    if not machine.dry_run:
        machine.say(f"done: {new.name} is in use")


def prepare(machine: Machine) -> None:
    """Create user, folders, settings and secrets, and change no existing one. Raises Failed if a setting is missing."""
    services.install_user(machine, SOURCE)
    for path in (RELEASES, ENVIRONMENTS, STATIC, ETC):
        machine.folder(path, 0o755)
    machine.folder(CREDENTIALS, 0o700)
    machine.folder(BACKUPS, 0o700, USER)
    if not ENV_FILE.exists():
        machine.write(ENV_FILE, (SOURCE / "deploy" / "env.template").read_bytes(), 0o600)
    if not (CREDENTIALS / "SECRET_KEY").exists():
        machine.write(CREDENTIALS / "SECRET_KEY", f"{secrets.token_urlsafe(50)}\n".encode(), 0o600)
    if UNFINISHED.exists():
        raise Failed("A restore was interrupted, and nothing can start: run deploy/restore again, to its end.")
    check_settings("" if machine.dry_run and not ENV_FILE.exists() else ENV_FILE.read_text())


def check_settings(env: str) -> None:
    """Raises Failed if a required setting is missing or an obsolete one remains."""
    if re.search(r"^ALLOWED_HOSTS=$", env, re.MULTILINE):
        raise Failed(f"ALLOWED_HOSTS is empty: write the site's host names into {ENV_FILE}, then run this again.")
    if old := re.search(r"^(HOST|PORT|BACKUP_DIR)=", env, re.MULTILINE):
        raise Failed(f"{old[1]} is no longer a setting: remove it from {ENV_FILE}. {INSTEAD[old[1]]}")


def check_and_migrate(machine: Machine, release: Path) -> None:
    """Run both with the new release's code, like its services. Raises Failed; the release in use is untouched."""
    sandbox.check(machine, release)
    sandbox.run_manage(machine, release, "migrate", "--noinput", quiet=True)


def switch(machine: Machine, release: Path, before: Path | None, *, source: Path | None = None) -> None:
    """Make a release the one in use. If it does not start, switch back to `before` and raise Failed.

    A dry run reads the units from `source`, since the release does not exist.
    """
    try:
        machine.link(CURRENT, release)
        services.install_units(machine, source or release)
        services.start(machine)
    except BaseException as error:
        if before is None or before == release:
            raise
        machine.say(f"{error or type(error).__name__}\nback to {before.name}")
        machine.link(CURRENT, before)
        services.install_units(machine, before)
        services.start(machine)
        if not isinstance(error, Exception):
            raise
        raise Failed(f"{release.name} does not start; {before.name} is in use again.") from error


if __name__ == "__main__":
    to_exit(main)
