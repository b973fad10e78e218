"""A UDP server of the test."""

import socket
from collections.abc import Iterator
from typing import Final

import pytest

#: Seconds to wait for a datagram.
DEADLINE: Final = 20.0


@pytest.fixture
def udp_server() -> Iterator[socket.socket]:
    """Bound to a free port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(DEADLINE)
        yield server
