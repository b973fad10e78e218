"""How long requests wait for a database that is away."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError

from notifications.database import postgresql_restart
from notifications.database.postgresql_restart import WAITING, Reconnection, impatient, is_away, is_in_request, patient
from tests.support.wait import wait_for


class Away(Exception):
    """What an attempt raises."""


class Server:
    """Refuses the first `refusals` attempts."""

    def __init__(self, refusals: int) -> None:
        self.refusals, self.attempts = refusals, 0

    def connect(self) -> str:
        self.attempts += 1
        if self.attempts <= self.refusals:
            raise Away
        return "connected"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql_restart, "PAUSE", 0.001)


def test_a_request_tries_again_until_the_server_is_back() -> None:
    server = Server(refusals=5)
    with patient():
        assert Reconnection().connect(server.connect, Away) == "connected"
    assert server.attempts == 6


def test_a_request_gives_up_when_its_patience_has_ended() -> None:
    server = Server(refusals=10**9)
    with patient(0.05), pytest.raises(Away):
        Reconnection().connect(server.connect, Away)
    assert server.attempts > 1


def test_what_is_no_request_tries_once() -> None:
    server = Server(refusals=1)
    with pytest.raises(Away):
        Reconnection().connect(server.connect, Away)
    with patient(), impatient(), pytest.raises(Away):
        Reconnection().connect(Server(refusals=1).connect, Away)
    assert server.attempts == 1


def test_another_failure_is_no_reason_to_try_again() -> None:
    with patient(), pytest.raises(ZeroDivisionError):
        Reconnection().connect(lambda: 1 // 0, Away)


class TestManyRequests:
    """All places to wait are taken, by requests whose attempt hangs."""

    @pytest.fixture
    def reconnection(self) -> Reconnection:
        reconnection = Reconnection()
        with patient(0), pytest.raises(Away):
            reconnection.connect(Server(refusals=10**9).connect, Away)
        return reconnection

    @pytest.fixture
    def answers(self) -> threading.Event:
        return threading.Event()

    @pytest.fixture
    def waiting(self, reconnection: Reconnection, answers: threading.Event) -> Iterator[list[Callable[[], object]]]:
        inside: list[int] = []

        def hang() -> str:
            inside.append(1)
            assert answers.wait(30)
            return "connected"

        def ask() -> str:
            with patient():
                return reconnection.connect(hang, Away)

        with ThreadPoolExecutor(WAITING) as pool:
            asked = [pool.submit(ask).result for _ in range(WAITING)]
            wait_for(lambda: len(inside) == WAITING)
            yield [*asked]
            answers.set()

    def test_one_more_fails_without_an_attempt(
        self, reconnection: Reconnection, waiting: list[Callable[[], object]]
    ) -> None:
        server = Server(refusals=0)
        with patient(), pytest.raises(Away, match="others wait"):
            reconnection.connect(server.connect, Away)
        assert server.attempts == 0

    def test_once_one_is_connected_all_are(
        self, reconnection: Reconnection, waiting: list[Callable[[], object]], answers: threading.Event
    ) -> None:
        answers.set()
        assert [result() for result in waiting] == ["connected"] * WAITING
        servers = [Server(refusals=0) for _ in range(3 * WAITING)]
        with patient():
            assert {reconnection.connect(server.connect, Away) for server in servers} == {"connected"}


def test_patience_is_of_a_thread_and_of_a_block() -> None:
    with patient():
        with ThreadPoolExecutor(1) as pool:
            assert not pool.submit(is_in_request).result()
        with impatient():
            assert not is_in_request()
        assert is_in_request()
    assert not is_in_request()


def test_what_is_away() -> None:
    assert is_away(OperationalError("connection refused"))
    assert is_away(InterfaceError("connection already closed"))
    assert not any(map(is_away, [None, IntegrityError(), ValueError(), OSError()]))
