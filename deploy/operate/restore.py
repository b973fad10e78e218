"""Puts a backup in the place of the database and the files beside it. Run by deploy/restore, while nothing runs."""

import shutil
import sys
from pathlib import Path

from deploy.operate import database
from deploy.operate.backup import FOLDERS


def main() -> None:
    try:
        restore(Path(sys.argv[1]), database.state_dir())
    except (database.Failed, OSError) as error:
        sys.exit(f"Failed: {error}")


def restore(backup: Path, state: Path) -> None:
    """What was there before stays beside it, as NAME.before-restore, but for PostgreSQL. Raises database.Failed."""
    if not backup.is_dir():
        raise database.Failed(f"There is no backup {backup}.")
    database.load(backup)
    for name in FOLDERS:
        kept = state / f"{name}.before-restore"
        if kept.exists():
            shutil.rmtree(kept)
        if (state / name).exists():
            (state / name).rename(kept)
        if (backup / name).is_dir():
            shutil.copytree(backup / name, state / name)


if __name__ == "__main__":
    main()
