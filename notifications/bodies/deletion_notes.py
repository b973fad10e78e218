"""Notes of stored bodies to delete, one file for each batch, so that no crash or outage forgets one.

A note is written before the rows are deleted, or right after. It is removed after the bodies.
"""

import os
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from notifications.conf import conf
from notifications.utils.durable_files import write_durably

#: Seconds for a note's writer to delete the bodies itself; also between two tries.
PATIENCE: Final = 600.0
SUFFIX: Final = ".names"


def folder() -> Path:
    return conf.state_dir / "bodies-to-delete"


def write(names: Sequence[str]) -> Path:
    """Write a note of these names. It is on disk when this returns. Raises OSError."""
    path = folder() / f"{uuid.uuid4().hex}{SUFFIX}"
    write_durably(path, ["\n".join(names).encode()], temporary=folder() / "tmp")
    return path


def read(path: Path) -> list[str]:
    """The names in a note; none if another process removed it. Raises OSError."""
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8").split("\n")
    return []


def due() -> list[Path]:
    """Notes whose writers had their time. Raises OSError."""
    found = []
    for path in folder().glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):  # another process just removed it
            if time.time() - path.stat().st_mtime > PATIENCE:
                found.append(path)
    return found


def postpone(path: Path) -> None:
    """Make the note due again in PATIENCE seconds."""
    with suppress(FileNotFoundError):
        os.utime(path)
