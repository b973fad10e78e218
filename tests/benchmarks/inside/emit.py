"""`emit()` and a bare sendto, in turn, to a journald that runs; then `emit()` while it is stopped."""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from unittest import mock

from notifications import emit
from notifications.events.emit import process_outbox
from tests.benchmarks.rounds import interleaved
from tests.benchmarks.timing import PAUSE, empty_times, microseconds, time_each
from tests.support.journald import JournaldNamespace

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def run(*, namespace: str, rounds: int, calls: int, overflow: int) -> dict[str, Any]:
    """Times in µs, sizes in bytes; `calls` a round. `overflow` fill the queue, as many more must not make it grow."""
    with JournaldNamespace(namespace) as journald:
        numbers = _running(journald.socket_path, rounds, calls)
        journald.pause()
        try:
            numbers |= _stopped(calls, overflow)
        finally:
            journald.resume()
            process_outbox().flush(30)
    return numbers


def tell(number: int) -> None:
    """An event as a product tells it."""
    emit("SLACK", "Ada Lovelace signed up with ada@example.com", user=number)


def _running(address: Path, rounds: int, calls: int) -> dict[str, Any]:
    record, path = _record(), str(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bare:
        bare.setblocking(False)

        def send(_: int) -> None:
            with suppress(BlockingIOError):
                bare.sendto(record, path)

        def in_turn() -> tuple[float, float]:
            emits, sends = empty_times(calls), empty_times(calls)
            for number in range(calls):
                time_each(tell, [number], emits, number, pause=PAUSE)
                if process_outbox().queue:  # journald was busy; else what follows would have to queue up as well
                    process_outbox().flush(30)
                time_each(send, [number], sends, number, pause=PAUSE)
            return microseconds(emits), microseconds(sends)

        (medians,) = interleaved(rounds, in_turn)
    emits, sends = zip(*medians, strict=True)
    return {"emit": emits, "sendto": sends, "size": len(record)}


def _stopped(calls: int, overflow: int) -> dict[str, Any]:
    times = empty_times(calls + 2 * overflow)
    before = _resident_bytes()
    time_each(tell, range(calls), times, pause=PAUSE)
    median = microseconds(times[:calls])
    time_each(tell, range(overflow), times, calls)
    full = _resident_bytes()
    time_each(tell, range(overflow), times, calls + overflow)
    return {
        "stopped": median,
        "grown_when_full": _resident_bytes() - full,
        "stopped_p999": microseconds(times, 0.999),
        "stopped_worst": microseconds(times, 1),
        "queued": len(process_outbox().queue),
        "grown": full - before,
    }


def _record() -> bytes:
    """The bytes that one event is on the wire."""
    records: list[bytes] = []
    with mock.patch.object(process_outbox().journal, "write", records.append):
        tell(0)
    return records[0]


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
