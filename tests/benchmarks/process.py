"""What a process takes, from /proc (man proc)."""

import re
import time
from contextlib import suppress
from pathlib import Path


def cpu_percent(*pids: int, seconds: float) -> float:
    """CPU time of processes and their threads while `seconds` go by, in percent of a core."""
    before, started = sum(map(_cpu_time, pids)), time.monotonic()
    time.sleep(seconds)
    return (sum(map(_cpu_time, pids)) - before) / (time.monotonic() - started) / 1e7


def memory(pid: int) -> tuple[int, int]:
    """Bytes that are resident now, and the most that ever were."""
    status = Path(f"/proc/{pid}/status").read_text()
    return _bytes("VmRSS", status), _bytes("VmHWM", status)


def children(pid: int) -> list[int]:
    """What its threads have started."""
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def proportional(pid: int) -> tuple[int, int]:
    """Bytes of its own and its share of what others map too; of those, what is no page of a file."""
    with suppress(ProcessLookupError, FileNotFoundError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return _bytes("Pss", rollup), _bytes("Pss_Anon", rollup)
    return 0, 0


def _bytes(name: str, text: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _cpu_time(pid: int) -> int:
    """Nanoseconds of its threads: what is idle takes less than a tick of /proc/PID/stat."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
