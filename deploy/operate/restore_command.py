"""deploy/restore FOLDER: replaces the database with a backup. All services must be stopped."""

import argparse
import subprocess
from pathlib import Path

from deploy.operate import release as releases
from deploy.operate import sandbox, services
from deploy.operate.machine import BACKUPS, UNFINISHED, Failed, Machine, alone, require_root, to_exit


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
    with alone():
        if running := services.still_wanted():
            raise Failed(f"{', '.join(running)} would write meanwhile: systemctl stop {services.TARGET}")
        # `systemctl stop` of the target returns at once: this waits for services that are still finishing.
        Machine().run(["systemctl", "stop", *services.WRITERS])
        if backup is not None:
            words = ["python", "-m", "deploy.operate.restore", str(backup.resolve())]
            more = [f"ReadWritePaths={BACKUPS}"]
            if subprocess.run(sandbox.command(now, words, interactive=False, more=more)).returncode:
                left = ", and was interrupted: run this again" if UNFINISHED.exists() else "; all is as it was"
                raise Failed(f"The backup was not restored{left}.")
        # Channels are moved to now by an entry in the journal of events, which may never have run on this machine.
        Machine().run(["systemctl", "start", services.JOURNAL])
        # The backup may be of an older release; and channels would deliver again what happened after it.
        for words in (["manage.py", "migrate", "--noinput", "--verbosity", "0"], ["-m", "deploy.operate.skip"]):
            if subprocess.run(sandbox.command(now, ["python", *words], interactive=False)).returncode:
                raise Failed(f"All went well until this failed: python {' '.join(words)}")
    print(f"{'The channels were moved' if backup is None else 'Restored'}. Next: systemctl start {services.TARGET}")  # noqa: T201


if __name__ == "__main__":
    to_exit(main)
