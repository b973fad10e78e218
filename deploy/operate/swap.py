"""Replaces data by its restored copy, all or nothing, and keeps the old beside it."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

#: In the state directory while a restore changes it: services do not start.
UNFINISHED: Final = "restore-unfinished"


class Place(NamedTuple):
    """A file or folder: where it is used, where its restored copy may be, and where the old one goes."""

    used: Path
    restored: Path
    kept: Path


@contextmanager
def swapped(places: Sequence[Place], state: Path) -> Iterator[None]:
    """Exchange them all, for good if the block succeeds. Deletes what an earlier restore kept."""
    for place in places:
        remove(place.kept)
    mark = state / UNFINISHED
    mark.touch()
    os.sync()
    try:
        for used, restored, kept in places:
            if used.exists():
                used.rename(kept)
            if restored.exists():
                restored.rename(used)
        yield
        os.sync()
    except BaseException:
        undo(places, state)
        raise
    mark.unlink()
    os.sync()


def undo(places: Sequence[Place], state: Path) -> None:
    """Bring back what an interrupted exchange moved, if any."""
    mark = state / UNFINISHED
    if not mark.exists():
        return
    for used, _, kept in places:
        if kept.exists():
            remove(used)
            kept.rename(used)
    os.sync()
    mark.unlink()


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
