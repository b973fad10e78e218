"""Ports for servers that cannot be given port 0, because they must come back at the same address."""

import random
import socket

# Below the range from which Linux picks ports for outgoing connections (32768 and up): no client takes one of
# ours while its server is stopped.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A free TCP port of 127.0.0.1. No other test process gets it while this one lives."""
    for port in random.sample(PORTS, k=200):
        if _is_free(port) and _reserve(port):
            return port
    raise RuntimeError(f"no free port among 200 of {PORTS.start} to {PORTS.stop}: what listens there?")


def answers(port: int) -> bool:
    """Whether a TCP connection to this port of 127.0.0.1 is accepted."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of an earlier test in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _reserve(port: int) -> bool:
    """Take an abstract Unix socket of that name: the kernel lets go of it when this process is gone."""
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(f"\0proppy-tests-port-{port}")
    except OSError:
        lock.close()
        return False
    lock.detach()
    return True
