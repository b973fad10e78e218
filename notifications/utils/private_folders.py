"""Makes folders that only this user may read."""

import os
from pathlib import Path


def make_private(folder: Path) -> None:
    """Make a folder and its missing parents, with mode 0700. Raises OSError."""
    missing = [path for path in (folder, *folder.parents) if not os.path.exists(path)]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
