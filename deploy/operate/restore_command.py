"""deploy/restore FOLDER: a backup takes the place of the database. All services must have been stopped."""

import argparse
import subprocess
from pathlib import Path

from deploy.operate import release as releases
from deploy.operate import sandbox, services
from deploy.operate.machine import BACKUPS, Failed, Machine, alone, require_root, to_exit


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy/restore", description="Restore a backup.")
    parser.add_argument("backup", type=Path, help=f"such as {BACKUPS}/20260101-031000-000000")
    backup: Path = parser.parse_args().backup
    require_root()
    now = releases.current()
    if now is None:
        raise Failed("Nothing is installed here: run deploy/install first.")
    with alone():
        running = [unit for unit in services.WRITERS if services.is_wanted(unit)]
        if running:
            raise Failed(f"{', '.join(running)} would write meanwhile: systemctl stop {services.TARGET}")
        # `systemctl stop` of the target returns at once: what is still finishing is waited for here.
        Machine().run(["systemctl", "stop", *services.WRITERS])
        words = ["python", "-m", "deploy.operate.restore", str(backup)]
        more = [f"ReadWritePaths={BACKUPS}"]
        done = subprocess.run(sandbox.command(now, words, interactive=False, more=more))
        if done.returncode:
            raise Failed("The backup was not restored.")
        # Those of an older release; and the channels would tell again what happened after the backup.
        for words in (["manage.py", "migrate", "--noinput", "--verbosity", "0"], ["-m", "deploy.operate.skip"]):
            if subprocess.run(sandbox.command(now, ["python", *words], interactive=False)).returncode:
                raise Failed(f"It is restored, but this failed: python {' '.join(words)}")
    print(f"Restored. Next: systemctl start {services.TARGET}")  # noqa: T201


if __name__ == "__main__":
    to_exit(main)
