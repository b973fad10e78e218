import os
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

import pytest

from notifications import metrics
from notifications.metrics import MAX_DATAGRAM, StatsD

DEADLINE: Final = 20.0


@pytest.fixture
def statsd(udp_server: socket.socket) -> Iterator[StatsD]:
    statsd = StatsD("127.0.0.1", udp_server.getsockname()[1], prefix="shop.")
    yield statsd
    assert statsd.close(DEADLINE)


def lines(udp_server: socket.socket, count: int) -> list[str]:
    got: list[str] = []
    while len(got) < count:
        datagram = udp_server.recv(65536)
        assert len(datagram) <= MAX_DATAGRAM
        got += datagram.decode().split("\n")
    return got


def test_the_three_kinds(udp_server: socket.socket, statsd: StatsD) -> None:
    statsd.incr("sales")
    statsd.incr("sales", 3)
    statsd.gauge("stock", 2.5)
    statsd.timing("checkout", 12)
    assert lines(udp_server, 4) == ["shop.sales:1|c", "shop.sales:3|c", "shop.stock:2.5|g", "shop.checkout:12|ms"]


def test_a_negative_gauge_is_no_difference(udp_server: socket.socket, statsd: StatsD) -> None:
    statsd.gauge("balance", -5)
    assert lines(udp_server, 2) == ["shop.balance:0|g", "shop.balance:-5|g"]


def test_names_forge_nothing(udp_server: socket.socket, statsd: StatsD) -> None:
    statsd.incr("a:1|c\nb@\r\x00\x85\ud800ü")
    assert lines(udp_server, 1) == ["shop.a_1_c_b____?ü:1|c"]


def test_many_share_a_datagram_and_keep_their_order(udp_server: socket.socket, statsd: StatsD) -> None:
    for number in range(200):
        statsd.incr("hits", number)
    assert lines(udp_server, 200) == [f"shop.hits:{number}|c" for number in range(200)]


def test_a_datagram_is_filled_but_not_over_full(udp_server: socket.socket) -> None:
    sender = metrics.Datagrams("127.0.0.1", udp_server.getsockname()[1], "")
    for _ in range(300):
        sender.add(metrics.Metric("eight", 1, "c"))  # 9 bytes and a newline
    assert len(udp_server.recv(65536)) == 143 * 10 - 1
    sender.idle(True)
    assert lines(udp_server, 157) == ["eight:1|c"] * 157


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1|c\nforged:1", None])
def test_what_is_no_number_costs_itself_only(udp_server: socket.socket, statsd: StatsD, value: Any) -> None:
    statsd.gauge("bad", value)
    statsd.incr("long" * 1000)
    statsd.incr("good")
    assert lines(udp_server, 1) == ["shop.good:1|c"]
    assert statsd.flush(DEADLINE)
    assert statsd.failed == 2


def test_a_name_that_does_not_resolve_is_looked_up_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = []

    def fail(*args: object, **_: object) -> None:
        lookups.append(args)
        raise socket.gaierror("no such host")

    clock = [0.0]
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr(metrics, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    sender = metrics.Datagrams("nowhere.invalid", 8125, "")
    for now, expected in ((0.0, 1), (0.5, 1), (1.0, 2), (1.5, 2)):
        clock[0] = now
        sender.add(metrics.Metric("a", 1, "c"))
        with pytest.raises(OSError, match=r"no such host|cannot be resolved"):
            sender.idle(False)
        assert len(lookups) == expected


def test_the_address_is_looked_up_again_after_a_minute(
    udp_server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups = []
    found = socket.getaddrinfo("127.0.0.1", udp_server.getsockname()[1], type=socket.SOCK_DGRAM)
    clock = [0.0]

    def find(*args: object, **_: object) -> list[Any]:
        lookups.append(args)
        return found

    monkeypatch.setattr(socket, "getaddrinfo", find)
    monkeypatch.setattr(metrics, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    sender = metrics.Datagrams("somewhere", 8125, "")
    for now, expected in ((0.0, 1), (59.0, 1), (60.0, 2)):
        clock[0] = now
        sender.add(metrics.Metric("a", 1, "c"))
        sender.idle(False)
        assert lines(udp_server, 1) == ["a:1|c"]
        assert len(lookups) == expected


def test_nobody_listens_and_nothing_is_raised(udp_server: socket.socket) -> None:
    port = udp_server.getsockname()[1]
    udp_server.close()
    statsd = StatsD("127.0.0.1", port)
    for _ in range(100):
        statsd.incr("hits")
    assert statsd.close(DEADLINE)
    statsd.incr("too late")
    assert statsd.dropped == 1


def test_a_full_queue_drops_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    entered, free = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> None:
        entered.set()
        assert free.wait(DEADLINE)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    statsd = StatsD("slow.invalid", 8125, maxsize=2)
    statsd.incr("hits")
    assert entered.wait(DEADLINE)
    for _ in range(5):
        statsd.incr("hits")
    assert statsd.dropped == 3
    free.set()
    assert statsd.close(DEADLINE)


def test_a_forked_child_sends_nothing_of_its_parent(udp_server: socket.socket) -> None:
    sender = metrics.Datagrams("127.0.0.1", udp_server.getsockname()[1], "")
    sender.add(metrics.Metric("parent", 1, "c"))
    child = os.fork()
    if not child:
        sender.idle(True)
        sender.add(metrics.Metric("child", 1, "c"))
        sender.idle(True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    sender.idle(True)
    assert lines(udp_server, 2) == ["child:1|c", "parent:1|c"]
