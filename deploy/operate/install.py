"""deploy/install: the first installation, and each upgrade."""

import argparse
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.operate import release as releases
from deploy.operate import sandbox, services
from deploy.operate.machine import (
    BACKUPS,
    CREDENTIALS,
    CURRENT,
    ENV_FILE,
    ETC,
    RELEASES,
    STATIC,
    USER,
    Failed,
    Machine,
    alone,
    require_root,
    to_exit,
)

SOURCE: Final = Path(__file__).resolve().parents[2]
PROGRAMS: Final = ("proppy-manage", "proppy-restart")
SYSTEMD: Final = 252


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy/install", description="Install or upgrade proppy from this checkout.")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    machine = Machine(dry_run=parser.parse_args().dry_run)
    if not machine.dry_run:
        require_root()
    check_machine()
    if machine.dry_run:
        install(machine)
    else:
        with alone():
            install(machine)


def check_machine() -> None:
    """Raises Failed where proppy cannot run here, with the reason."""
    if sys.version_info < (3, 11):  # noqa: UP036  the system's own Python
        raise Failed("This needs Python 3.11 or newer: Debian 12, Ubuntu 24.04 or newer have it.")
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        raise Failed("Python cannot make virtual environments: apt-get install python3-venv") from None
    if not Path("/run/systemd/system").is_dir() or not shutil.which("systemctl"):
        raise Failed("systemd does not run here. Without it: make run, or Procfile in a container.")
    version = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    if int(version.partition(".")[0].partition("~")[0]) < SYSTEMD:
        raise Failed(f"This needs systemd {SYSTEMD} or newer, and here is {version}.")


def install(machine: Machine) -> None:
    """All steps. The release in use goes on until the new one is known to start, and again if it does not."""
    prepare(machine)
    before = releases.current()
    new = releases.build(machine, SOURCE)
    try:
        check_and_migrate(machine, new)
    except BaseException:
        if new.exists():
            shutil.rmtree(new)
        raise
    switch(machine, new if not machine.dry_run else SOURCE, before)
    if not machine.dry_run:
        (new / releases.COMPLETE).touch()
    for name in PROGRAMS:
        machine.link(Path("/usr/local/bin") / name, CURRENT / "deploy" / name)
    releases.remove_old(machine)
    machine.say(f"done: {new.name} is in use" if not machine.dry_run else "be done")


def prepare(machine: Machine) -> None:
    """User, folders, settings and secrets; what is there stays as it is. Raises Failed where a setting is missing."""
    services.install_user(machine, SOURCE)
    for path in (RELEASES, STATIC, ETC):
        machine.folder(path, 0o755)
    machine.folder(CREDENTIALS, 0o700)
    machine.folder(BACKUPS, 0o700, USER)
    if not ENV_FILE.exists():
        machine.write(ENV_FILE, (SOURCE / "deploy" / "env.template").read_bytes(), 0o600)
    if not (CREDENTIALS / "SECRET_KEY").exists():
        machine.write(CREDENTIALS / "SECRET_KEY", f"{secrets.token_urlsafe(50)}\n".encode(), 0o600)
    if not machine.dry_run and "\nALLOWED_HOSTS=\n" in ENV_FILE.read_text():
        raise Failed(f"ALLOWED_HOSTS is empty: write the site's host names into {ENV_FILE}, then run this again.")


def check_and_migrate(machine: Machine, release: Path) -> None:
    """By the new release's code, as its services will run. Raises Failed; the release in use has not been touched."""
    for arguments in (["check", "--deploy", "--database", "default"], ["migrate", "--noinput"]):
        machine.say(f"manage.py {' '.join(arguments)}")
        if not machine.dry_run:
            machine.run(sandbox.manage(release, *arguments), quiet=arguments[0] == "migrate")


def switch(machine: Machine, release: Path, before: Path | None) -> None:
    """Make a release the one in use, and back to `before` where it does not start. Raises Failed then."""
    try:
        machine.link(CURRENT, release)
        services.install_units(machine, release)
        services.start(machine)
    except Failed as error:
        if before is None or before == release:
            raise
        machine.say(f"{error}\nback to {before.name}")
        machine.link(CURRENT, before)
        services.install_units(machine, before)
        services.start(machine)
        raise Failed(f"{release.name} does not start; {before.name} is in use again.") from error


if __name__ == "__main__":
    to_exit(main)
