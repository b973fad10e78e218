"""What web servers that were killed or frozen had in hand: connections, told exactly by the kernel, and last words."""

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

#: Seconds after which what a process has counted is told (tests/soak/settings.py), and in which that is under way.
INTERVAL: Final = 5.0
UNDER_WAY: Final = 2.0
#: The header that names the process of an answer that the site has counted.
PROCESS: Final = "x-process"
#: State of a socket in /proc/net/tcp.
LISTENS: Final = "0A"
#: What is counted and told once in each interval; all else is told at once.
REQUEST: Final = "request"


class Line(NamedTuple):
    """A connection of the client's: its port, and by time.monotonic() when it was begun and last sent a request."""

    port: int
    opened: float
    sent: float


@dataclass(slots=True)
class Grip:
    """A process that was killed, or frozen and let go (`until`), with the connections that it had at that moment.

    `fault`: what was done to it.
    """

    fault: str
    process: int
    ports: frozenset[int]
    at: float
    until: float | None = None


class Held:
    """One thread notes what it kills and freezes, while another one asks what came of it."""

    def __init__(self, *grips: Grip) -> None:
        self._grips = list(grips)
        #: By process, kind: when each was answered.
        self._answers: defaultdict[tuple[int, str], list[float]] = defaultdict(list)

    def grip(self, fault: str, process: int, port: int) -> Grip:
        """Note what a process that is stopped has in hand, before it is killed or goes on."""
        grip = Grip(fault, process, connections(process, port), time.monotonic())
        self._grips.append(grip)
        return grip

    def cut(self, line: Line | None) -> str:
        """The fault, if a request without an answer was one that a killed or frozen server had in hand; else ""."""
        for grip in self._grips:
            if (
                line
                and line.port in grip.ports
                and line.opened <= grip.at
                and (grip.until is None or line.sent <= grip.until)
            ):
                return grip.fault
        return ""

    def answered(self, process: int, kind: str) -> None:
        """A process has answered, which it counts or tells."""
        self._answers[process, kind].append(time.monotonic())

    def in_doubt(self) -> "Counter[str]":
        """By kind, at most how many of the answers of killed processes may never be told."""
        counts: Counter[str] = Counter()
        for grip in self._grips:
            if grip.until is None:
                for (process, kind), times in self._answers.items():
                    if process == grip.process:
                        since = grip.at - UNDER_WAY - (INTERVAL if kind == REQUEST else 0.0)
                        counts[kind] += len(times) - bisect_left(times, since)
        return counts


def connections(process: int, port: int) -> frozenset[int]:
    """The clients' ports of the connections to `port` that a process has accepted. Those in the queue are nobody's."""
    sockets = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # of our own process: the folder, which was open while it was listed
            sockets.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    rows = [line.split() for line in Path(f"/proc/{process}/net/tcp").read_text().splitlines()[1:]]
    ours = [row for row in rows if row[1].endswith(f":{port:04X}") and row[3] != LISTENS]
    return frozenset(int(row[2][-4:], 16) for row in ours if row[9] in sockets)
