"""deploy/restore FOLDER: a backup takes the place of the database. All services must have been stopped."""

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
        # `systemctl stop` of the target returns at once: what is still finishing is waited for here.
        Machine().run(["systemctl", "stop", *services.WRITERS])
        if backup is not None:
            words = ["python", "-m", "deploy.operate.restore", str(backup.resolve())]
            more = [f"ReadWritePaths={BACKUPS}"]
            if subprocess.run(sandbox.command(now, words, interactive=False, more=more)).returncode:
                left = ", and it came to no end: run this again" if UNFINISHED.exists() else "; all is as it was"
                raise Failed(f"The backup was not restored{left}.")
        # Those of an older release; and the channels would tell again what happened after the backup.
        for words in (["manage.py", "migrate", "--noinput", "--verbosity", "0"], ["-m", "deploy.operate.skip"]):
            if subprocess.run(sandbox.command(now, ["python", *words], interactive=False)).returncode:
                raise Failed(f"Up to here all went well, but this failed: python {' '.join(words)}")
    print(f"{'The channels are at now' if backup is None else 'Restored'}. Next: systemctl start {services.TARGET}")  # noqa: T201


if __name__ == "__main__":
    to_exit(main)
