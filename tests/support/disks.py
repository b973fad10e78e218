"""Disks with as much room as a test says."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from notifications.store import disk_space

MIB: Final = 1024 * 1024


class Disks:
    """What statvfs says: bytes that are free below a folder, by its beginning; else a lot."""

    def __init__(self) -> None:
        self.free: dict[Path, int] = {}
        self.looks = 0

    def statvfs(self, path: Any) -> Any:
        """As os.statvfs."""
        self.looks += 1
        free = next((free for start, free in self.free.items() if Path(path).is_relative_to(start)), 1 << 40)
        return SimpleNamespace(f_bavail=free // 4096, f_frsize=4096, f_files=0, f_favail=0)


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    disks = Disks()
    monkeypatch.setattr(os, "statvfs", disks.statvfs)
    disk_space.forget()
    return disks
