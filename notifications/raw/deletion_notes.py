"""Names of stored bodies that are to be deleted, each batch in a file: a crash or a storage that is away forgets none.

A note is written before, or as soon as, the rows are gone; it goes when the bodies have gone.
"""

import os
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from notifications.conf import conf
from notifications.durable import write_durably

#: Seconds that whoever wrote a note has to delete the bodies himself; also between two tries.
PATIENCE: Final = 600.0
SUFFIX: Final = ".names"


def folder() -> Path:
    """Where the notes are."""
    return conf.state_dir / "bodies-to-delete"


def write(names: Sequence[str]) -> Path:
    """A note of these names, durable when this returns. Raises OSError."""
    path = folder() / f"{uuid.uuid4().hex}{SUFFIX}"
    write_durably(path, ["\n".join(names).encode()], temporary=folder() / "tmp")
    return path


def read(path: Path) -> list[str]:
    """The names in a note; none where somebody else was faster. Raises OSError."""
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8").split("\n")
    return []


def due() -> list[Path]:
    """Notes that nobody is working on. Raises OSError."""
    found = []
    for path in folder().glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):  # its work was just done
            if time.time() - path.stat().st_mtime > PATIENCE:
                found.append(path)
    return found


def postpone(path: Path) -> None:
    """Have it looked at again later."""
    with suppress(FileNotFoundError):
        os.utime(path)
