"""What a process takes, from /proc (man proc)."""

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_percent(pid: int, seconds: float) -> float:
    """CPU time of a process and its threads while `seconds` go by, in percent of a core."""
    before, started = _ticks(pid), time.monotonic()
    time.sleep(seconds)
    return (_ticks(pid) - before) / TICKS / (time.monotonic() - started) * 100


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


def _ticks(pid: int) -> int:
    """utime and stime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
