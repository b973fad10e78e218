"""Replaces the database and the files beside it with a backup. Run by deploy/restore, while nothing runs."""

import shutil
import sys
from pathlib import Path

from django.db import Error

from deploy.operate import database
from deploy.operate.backup import FOLDERS
from deploy.operate.swap import Place, remove, swapped, undo


def main() -> None:
    try:
        restore(Path(sys.argv[1]), database.state_dir())
    except (database.Failed, Error, OSError) as error:
        sys.exit(f"Failed: {error}")


def restore(backup: Path, state: Path) -> None:
    """The old data stays beside the new, as NAME.before-restore. Raises database.Failed, and OSError.

    Everything is copied before anything is exchanged: a full disk does no harm.
    """
    if not backup.is_dir():
        raise database.Failed(f"There is no backup {backup}.")
    folders = [Place(state / name, state / f"{name}.restored", state / f"{name}.before-restore") for name in FOLDERS]
    places = [*folders, *database.places()]
    undo(places, state)
    try:
        for place in folders:
            remove(place.restored)
            if (backup / place.used.name).is_dir():
                shutil.copytree(backup / place.used.name, place.restored)
        database.stage(backup)
        with swapped(places, state):
            database.load(backup)
    finally:
        for place in places:
            remove(place.restored)


if __name__ == "__main__":
    main()
