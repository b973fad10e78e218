"""`emit()` and a bare sendto, in turn, to a journald that runs; then `emit()` while it is stopped."""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from unittest import mock

from notifications import emit
from notifications.events.emit import process_outbox
from tests.benchmarks.timing import empty_times, microseconds, time_each
from tests.support.journald import JournaldNamespace

#: Nanoseconds of other work between two calls: time for journald to read the last one and fall asleep again, as it
#: does between two requests. Work and no sleep, which would leave this process with cold caches.
GAP: Final = 200_000
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def run(*, namespace: str, calls: int, overflow: int) -> dict[str, float]:
    """Times in µs, sizes in bytes. `overflow` calls fill the queue, and as many more must not make it grow."""
    with JournaldNamespace(namespace) as journald:
        numbers = _running(journald.socket_path, calls)
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


def _running(address: Path, calls: int) -> dict[str, float]:
    record, path = _record(), str(address)
    emits, sends = empty_times(calls), empty_times(calls)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bare:
        bare.setblocking(False)

        def send(_: int) -> None:
            with suppress(BlockingIOError):
                bare.sendto(record, path)

        for number in range(calls):
            _work()
            time_each(tell, [number], emits, number)
            if process_outbox().queue:  # journald was busy; else what follows would have to queue up as well
                process_outbox().flush(30)
            _work()
            time_each(send, [number], sends, number)
    return {
        "emit": microseconds(emits),
        "emit_p99": microseconds(emits, 0.99),
        "sendto": microseconds(sends),
        "sendto_p99": microseconds(sends, 0.99),
        "size": len(record),
    }


def _stopped(calls: int, overflow: int) -> dict[str, float]:
    times = empty_times(calls + 2 * overflow)
    before = _resident_bytes()
    for number in range(calls):
        _work()
        time_each(tell, [number], times, number)
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


def _work() -> None:
    until = time.perf_counter_ns() + GAP
    while time.perf_counter_ns() < until:
        pass


def _record() -> bytes:
    """The bytes that one event is on the wire."""
    records: list[bytes] = []
    with mock.patch.object(process_outbox().journal, "write", records.append):
        tell(0)
    return records[0]


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
