"""Replaces the database and the files beside it with a backup. Run by deploy/restore, while nothing runs."""

import os
import shutil
import sys
from pathlib import Path

from django.db import Error

from deploy.operate import database
from deploy.operate.backup import FOLDERS
from deploy.operate.copied import Copied
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
        with Copied(_size(backup)) as copied:
            for place in folders:
                remove(place.restored)
                if (backup / place.used.name).is_dir():
                    copy_tree(backup / place.used.name, place.restored, copied)
            stage(backup, copied)
            with swapped(places, state):
                database.load(backup, copied)
    finally:
        for place in places:
            remove(place.restored)


def copy_tree(source: Path, target: Path, copied: Copied) -> None:
    """Copy a folder that is not there yet, with times and rights."""

    def copy(path: str, to: str) -> str:
        shutil.copy2(path, to)
        copied.add(os.stat(to).st_size)
        return to

    shutil.copytree(source, target, copy_function=copy)


def stage(backup: Path, copied: Copied) -> None:
    """Put the database's copy beside the database, if it is a file: a server loads it later. Raises database.Failed."""
    if places := database.places():
        copy = database.copy_in(backup)
        with copied.growing(places[-1].restored, copy.stat().st_size if copy.is_file() else 0):
            database.stage(backup)
    else:
        database.stage(backup)


def _size(backup: Path) -> int:
    """Bytes to copy, or to load into a server."""
    paths = [path for name in FOLDERS for path in (backup / name).rglob("*")]
    paths.append(database.copy_in(backup))
    return sum(path.stat().st_size for path in paths if path.is_file())


if __name__ == "__main__":
    main()
