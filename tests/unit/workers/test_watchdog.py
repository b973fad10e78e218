"""What systemd is told: over a real datagram socket, as systemd has one."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifications.workers.loop import Stop, run
from notifications.workers.watchdog import Watchdog, notify
from tests.support.wait import wait_for


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end."""
    address = str(tmp_path / "notify") if request.param == "path" else f"\0proppy-test-{tmp_path.name}-{id(tmp_path)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as end:
        end.bind(address)
        settings.NOTIFICATIONS_NOTIFY_SOCKET = address.replace("\0", "@")
        yield end


def heard(systemd: socket.socket) -> list[str]:
    states = []
    while True:
        try:
            states.append(systemd.recv(100).decode())
        except BlockingIOError:
            return states


class Turning:
    """A worker that turns until `until` is set; `hangs` holds its turn until then."""

    def __init__(self, until: threading.Event, *, hangs: bool = False) -> None:
        self.until, self.hangs = until, hangs
        self.reached = threading.Event()

    def poll(self) -> float | None:
        self.reached.set()
        if self.hangs:
            self.until.wait(60)
        return None if self.until.is_set() else 0.01

    def fileno(self) -> int | None:
        return None

    def close(self) -> None: ...


def test_a_process_of_nobody_tells_nobody(settings: Any) -> None:
    settings.NOTIFICATIONS_NOTIFY_SOCKET = ""
    notify("READY=1")


def test_a_service_manager_that_is_gone_is_no_error(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.NOTIFICATIONS_NOTIFY_SOCKET = str(tmp_path / "gone")
    notify("READY=1")
    assert "READY=1 could not be sent to systemd" in caplog.text


def test_ready_comes_first_and_stopping_last(systemd: socket.socket) -> None:
    done = threading.Event()
    done.set()
    run([lambda _: Turning(done)])
    assert heard(systemd)[0] == "READY=1"


def test_a_loop_that_turns_pings(systemd: socket.socket) -> None:
    done = threading.Event()
    pings: list[str] = []
    watchdog_ping = Watchdog.ping

    def ping(self: Watchdog, threads: Any) -> None:
        watchdog_ping(self, threads)
        pings.extend(state for state in heard(systemd) if state == "WATCHDOG=1")
        if len(pings) >= 2:
            done.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watchdog, "ping", ping)
        run([lambda _: Turning(done), lambda _: Turning(done)])
    assert len(pings) >= 2


def test_one_loop_that_hangs_beside_one_that_turns_keeps_silent(systemd: socket.socket) -> None:
    watchdog, release = Watchdog(), threading.Event()
    hanging = threading.Thread(target=release.wait)

    def turn() -> None:
        watchdog.turned()
        release.wait()

    turning = threading.Thread(target=turn)
    for thread in (hanging, turning):
        thread.start()
    watchdog.ping([hanging, turning])
    assert heard(systemd) == []
    release.set()
    hanging.join()
    turning.join()
    watchdog.ping([hanging, turning])  # what has ended need not turn
    assert heard(systemd) == ["WATCHDOG=1"]


def test_each_ping_wants_a_turn_of_its_own(systemd: socket.socket) -> None:
    watchdog, us = Watchdog(), threading.current_thread()
    watchdog.turned()
    watchdog.ping([us])
    watchdog.ping([us])
    assert heard(systemd) == ["WATCHDOG=1"]
    watchdog.turned()
    watchdog.ping([us])
    assert heard(systemd) == ["WATCHDOG=1"]


def test_a_stop_is_told_while_something_is_still_in_hand(systemd: socket.socket) -> None:
    told: list[str] = []

    class InHand(Turning):
        def poll(self) -> float | None:
            stops[0].set()
            wait_for(stopping_was_told)
            return None

    def stopping_was_told() -> bool:
        told.extend(heard(systemd))
        return "STOPPING=1" in told

    stops: list[Stop] = []

    def make(stop: Stop) -> Turning:
        stops.append(stop)
        return InHand(threading.Event())

    run([make])
    assert told[0] == "READY=1"
    assert told[-1] == "STOPPING=1"
