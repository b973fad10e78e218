"""Puts what was restored in the place of what is there, which stays beside it: all of it, or none."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

#: In the state directory while files change places.
UNFINISHED: Final = "restore-unfinished"


class Place(NamedTuple):
    """A file or folder: where it is used, where its restored copy is, if there is one, and where the old one goes."""

    used: Path
    restored: Path
    kept: Path


def swap(places: Sequence[Place], state: Path) -> None:
    """Exchange them all. What an earlier restore has kept goes."""
    undo(places, state)
    for place in places:
        _remove(place.kept)
    mark = state / UNFINISHED
    mark.touch()
    os.sync()
    for used, restored, kept in places:
        if used.exists():
            used.rename(kept)
        if restored.exists():
            restored.rename(used)
    os.sync()
    mark.unlink()


def undo(places: Sequence[Place], state: Path) -> None:
    """Bring back what an exchange that was interrupted has moved; nothing where none was."""
    mark = state / UNFINISHED
    if not mark.exists():
        return
    for used, _, kept in places:
        if kept.exists():
            _remove(used)
            kept.rename(used)
    mark.unlink()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
