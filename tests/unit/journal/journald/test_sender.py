"""Datagrams into a socket that is full, gone, replaced or closed, without a journald."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from notifications.journal import EntryTooLarge
from notifications.journal.journald.sender import Sender

DEADLINE = 20.0
PATH = "socket"


def bind() -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound.bind(PATH)
    bound.settimeout(DEADLINE)
    return bound


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.chdir(tmp_path)  # a path of 108 bytes is too long for a socket
    with bind() as bound:
        yield bound


def sender(seconds: float) -> closing[Sender]:
    return closing(Sender(PATH, seconds=seconds))


def fill(seconds: float = 0) -> int:
    """How many datagrams fit."""
    count = 0
    with sender(seconds) as filling, suppress(BlockingIOError):
        while True:
            filling.send(b"waits")
            count += 1
    return count


@pytest.mark.parametrize("seconds", [0, 0.02])
def test_a_socket_that_stays_full_is_refused(receiver: socket.socket, seconds: float) -> None:
    assert fill(seconds) > 0
    with sender(seconds) as one, pytest.raises(BlockingIOError):
        one.send(b"no place")


def test_patience_ends_with_the_first_datagram_that_is_read(receiver: socket.socket) -> None:
    count = fill()
    with sender(600) as patient, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(patient.send, b"last")
        received = [receiver.recv(100) for _ in range(count + 1)]
        sending.result(DEADLINE)
    assert received == [b"waits"] * count + [b"last"]


def test_patience_ends_with_journald(receiver: socket.socket) -> None:
    """The next one is found by its path."""
    fill()
    with sender(600) as patient:
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(patient.send, b"lost")
            receiver.close()
            with pytest.raises(ConnectionRefusedError):
                sending.result(DEADLINE)
        os.unlink(PATH)
        with pytest.raises(FileNotFoundError):
            patient.send(b"lost too")
        with bind() as restarted:
            patient.send(b"arrives")
            assert restarted.recv(100) == b"arrives"


@pytest.mark.parametrize("seconds", [0, 600])
def test_what_is_too_large_is_no_matter_of_patience(receiver: socket.socket, seconds: float) -> None:
    with sender(seconds) as one, pytest.raises(EntryTooLarge):
        one.send(b"x" * 10_000_000)


@pytest.mark.parametrize("seconds", [0, 600])
def test_a_socket_closed_by_others_is_made_anew(
    receiver: socket.socket, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Made(socket.socket):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    made: list[socket.socket] = []
    monkeypatch.setattr(socket, "socket", Made)
    with sender(seconds) as one:
        one.send(b"first")
        os.close(made[0].fileno())
        with pytest.raises(OSError, match="Bad file descriptor"):
            one.send(b"refused")
        one.send(b"second")
    assert [receiver.recv(100), receiver.recv(100)] == [b"first", b"second"]
