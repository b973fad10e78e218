"""A unit without systemd: journald takes the name of a unit from the control group of who writes."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.wait import wait_for

#: Where the groups of systemd are: its own hierarchy where the kernel has both versions.
_GROUPS: Final = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))


class Unit:
    """A control group named like a service; processes that `join()` it belong to that service."""

    def __init__(self) -> None:
        self.name = f"proppy-test-{uuid.uuid4().hex[:12]}.service"
        root = next(path for path in _GROUPS if (path / "cgroup.procs").exists())
        self._folder = root / "system.slice" / self.name
        self._folder.mkdir(parents=True)

    def join(self, pid: int) -> None:
        """Move a process there."""
        (self._folder / "cgroup.procs").write_text(str(pid))

    def close(self) -> None:
        """Remove it, once its last process is gone."""
        wait_for(lambda: not (self._folder / "cgroup.procs").read_text(), message=f"{self.name} is empty")
        self._folder.rmdir()


@contextmanager
def unit() -> Iterator[Unit]:
    """One for one test; needs root."""
    made = Unit()
    try:
        yield made
    finally:
        made.close()
