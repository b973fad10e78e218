"""deploy/restore FOLDER: replaces the database with a backup. All services must be stopped."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.operate import release as releases
from deploy.operate import sandbox, services
from deploy.operate.machine import BACKUPS, UNFINISHED, USER, Failed, Machine, alone, require_root, to_exit

#: What the sandbox hides.
HIDDEN: Final = ("/root", "/home", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  no file is made there


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy/restore", description="Restore a backup.")
    parser.add_argument("backup", type=Path, nargs="?", help=f"such as {BACKUPS}/20260101-031000-000000")
    parser.add_argument("--channels-only", action="store_true", help="on each further machine of a restored PostgreSQL")
    options = parser.parse_args()
    backup: Path | None = options.backup
    if (backup is None) != options.channels_only:
        parser.error(f"name a backup (ls {BACKUPS}), or --channels-only")
    require_root()
    now = releases.current()
    if now is None:
        raise Failed("Nothing is installed here: run deploy/install first.")
    if backup is not None:
        check_place(backup)
    with alone():
        restore(now, backup)
    done = "The channels were moved" if backup is None else "Restored"
    print(f"{done}. Next: systemctl start {services.TARGET}")  # noqa: T201


def restore(release: Path, backup: Path | None) -> None:
    """Restore it, if there is one, and move the channels to now. Raises Failed."""
    expect_stopped(*services.WRITERS, *services.TIMERS)
    # `systemctl stop` of the target returns at once: this waits for services that are still finishing.
    Machine().run(["systemctl", "stop", *services.WRITERS])
    expect_stopped(services.SOCKET)  # systemd closes it once the last server has ended
    if backup is not None:
        words = ["python", "-m", "deploy.operate.restore", str(backup.resolve())]
        more = [f"ReadWritePaths={BACKUPS}"]
        interactive = sys.stdin.isatty() and sys.stdout.isatty()  # it shows how far it is
        if subprocess.run(sandbox.command(release, words, interactive=interactive, more=more)).returncode:
            left = ", and was interrupted: run this again" if UNFINISHED.exists() else "; all is as it was"
            raise Failed(f"The backup was not restored{left}.")
    # Channels are moved to now by an entry in the journal of events, which may never have run on this machine.
    Machine().run(["systemctl", "start", services.JOURNAL])
    # The backup may be of an older release; and channels would deliver again what happened after it.
    for words in (["manage.py", "migrate", "--noinput", "--verbosity", "0"], ["-m", "deploy.operate.skip"]):
        if subprocess.run(sandbox.command(release, ["python", *words], interactive=False)).returncode:
            raise Failed(f"All went well until this failed: python {' '.join(words)}")


def expect_stopped(*units: str) -> None:
    """Raises Failed if one of them runs on: it would write to the database, or start a unit that does."""
    if running := services.still_wanted(units):
        raise Failed(f"{', '.join(running)} would write meanwhile: systemctl stop {services.TARGET}")


def check_place(backup: Path) -> None:
    """Raises Failed, which says where to put it, if the restore could not read it: it has the services' sandbox."""
    if not backup.is_dir():
        raise Failed(f"There is no backup {backup}. There are: ls {BACKUPS}")
    as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    may_read = not subprocess.run([*as_user, "test", "-r", backup, "-a", "-x", backup]).returncode
    if any(backup.resolve().is_relative_to(path) for path in HIDDEN) or not may_read:
        raise Failed(
            f"{backup} is there, but {USER} cannot read it: move it into {BACKUPS}, then chown -R {USER}: {BACKUPS}"
        )


if __name__ == "__main__":
    to_exit(main)
