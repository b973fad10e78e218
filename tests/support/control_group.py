"""A unit without systemd: journald takes its name from the control group of who writes, the kernel its weight."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


#: Of a unit that says nothing.
WEIGHT: Final = 100
#: What version 1 calls a weight of 100.
SHARES: Final = 1024
_CPU: Final = Path("/sys/fs/cgroup/cpu")


def has_cpu_groups() -> bool:
    """Whether a group can have a weight here."""
    return (_CPU / "cpu.shares").exists() or "cpu" in _read(_GROUPS[1] / "cgroup.subtree_control").split()


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


class CpuGroup:
    """A control group with the `CPUWeight=` of a unit; processes that `join()` it share that."""

    def __init__(self, weight: int) -> None:
        is_old = (_CPU / "cpu.shares").exists()
        self._folder = (_CPU if is_old else _GROUPS[1]) / f"proppy-test-{uuid.uuid4().hex[:12]}"
        self._folder.mkdir()
        name, value = ("cpu.shares", weight * SHARES // WEIGHT) if is_old else ("cpu.weight", weight)
        (self._folder / name).write_text(str(value))

    def join(self, pid: int) -> None:
        """Move a process there; its children follow."""
        (self._folder / "cgroup.procs").write_text(str(pid))

    def close(self) -> None:
        """Remove it, once its last process is gone."""
        wait_for(lambda: not (self._folder / "cgroup.procs").read_text(), message=f"{self._folder} is empty")
        self._folder.rmdir()


def set_nice(pid: int, nice: int) -> None:
    """As the Procfile does, of the leader of a session.

    Where the kernel groups sessions (`kernel.sched_autogroup_enabled`) only the nice of the group counts.
    """
    os.setpriority(os.PRIO_PROCESS, pid, nice)
    with suppress(FileNotFoundError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


@contextmanager
def unit() -> Iterator[Unit]:
    """One for one test; needs root."""
    made = Unit()
    try:
        yield made
    finally:
        made.close()
