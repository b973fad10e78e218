"""What the workers of `make bench-peers` run."""

import socket
import uuid
from collections.abc import Iterator

import pytest

from tests.peers import job


@pytest.fixture
def receiver() -> Iterator[tuple[str, socket.socket]]:
    address = f"proppy-test-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(f"\0{address}")
        bound.settimeout(5)
        yield address, bound


def test_a_job_has_the_size_of_a_webhook() -> None:
    assert len(job.text("many", "somewhere", 2000)) == 1024


def test_a_job_tells_when_it_starts(receiver: tuple[str, socket.socket]) -> None:
    address, bound = receiver
    job.run(job.text("start", address))
    first = int(bound.recv(64))
    job.run(job.text("start", address))
    assert int(bound.recv(64)) > first


def test_the_last_of_many_tells_their_rate(receiver: tuple[str, socket.socket]) -> None:
    address, bound = receiver
    bound.setblocking(False)
    for _ in range(2):
        job.run(job.text("many", address, 3))
    job.run(job.text("none"))
    with pytest.raises(BlockingIOError):
        bound.recv(64)
    job.run(job.text("many", address, 3))
    assert float(bound.recv(64)) > 0
