"""Web servers that share a listening socket of systemd's: each is restarted while clients go on."""

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support import web_servers
from tests.support.child import Process
from tests.support.processes import Site
from tests.support.wait import wait_for

RESTARTS = 4


class Client(threading.Thread):
    """Asks /healthz again and again, on one connection as long as the server keeps it, or on a new one each time."""

    def __init__(self, port: int, *, keep: bool) -> None:
        super().__init__()
        self._port, self._keep = port, keep
        self._stop_asking = threading.Event()
        self.answers: Counter[str] = Counter()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        last, count = time.monotonic(), 0
        while not self._stop_asking.is_set():
            try:
                connection.request("GET", "/healthz", headers={"Host": "localhost"})
                answer = connection.getresponse()
                answer.read()
                outcome = str(answer.status)
            except (OSError, http.client.HTTPException) as error:
                now = time.monotonic()
                outcome = (
                    f"{type(error).__name__}: request {count} of its connection, {now - last:.3f} s after the last"
                )
                connection.close()
                count = -1
            self.answers[outcome] += 1
            last, count = time.monotonic(), count + 1
            if not self._keep:
                connection.close()
        connection.close()

    def stop(self) -> None:
        self._stop_asking.set()
        self.join()


class Servers:
    """Two on one socket."""

    def __init__(self, site: Site, listener: socket.socket) -> None:
        self._site, self._listener = site, listener
        self._ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ready.bind(str(site.folder / "notify"))
        self._ready.settimeout(60)
        self._running = [self.start(), self.start()]

    def start(self) -> Process:
        """Start one; returns when it is ready."""
        env = self._site.env | {"NOTIFY_SOCKET": str(self._site.folder / "notify")}
        process = web_servers.start(self._listener, env=env, log=self._site.folder / "web_server.log")
        while b"READY=1" not in self._ready.recv(4096):
            pass
        return process

    def restart(self, number: int) -> None:
        self._running[number].terminate(30)
        self._running[number] = self.start()

    def kill(self) -> None:
        for process in self._running:
            process.kill()
        self._ready.close()


@pytest.fixture
def servers(site: Site) -> Iterator[Servers]:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", site.port), backlog=1024))
        both = Servers(site, listener)
        stack.callback(both.kill)
        yield both


def wait_for_more(clients: list[Client]) -> None:
    """Until each has had 20 more answers."""
    wanted = [client.answers.total() + 20 for client in clients]
    wait_for(lambda: all(client.answers.total() > count for client, count in zip(clients, wanted, strict=True)))


@pytest.mark.slow
def test_restarts_refuse_nobody(site: Site, servers: Servers) -> None:
    clients = [Client(site.port, keep=keep) for keep in (False, False, True, True)]
    for client in clients:
        client.start()
    try:
        for number in range(RESTARTS):
            servers.restart(number % 2)
            wait_for_more(clients)
    finally:
        for client in clients:
            client.stop()
    assert [set(client.answers) for client in clients] == [{"200"}] * len(clients)


@pytest.mark.slow
def test_a_server_may_be_stopped_as_soon_as_it_is_ready(servers: Servers) -> None:
    for _ in range(3):
        assert servers.start().terminate(10) == 0


def test_a_server_that_is_still_loading_ends_at_once(site: Site) -> None:
    (site.folder / "endless.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(100)\n")
    env = site.env | {"PYTHONPATH": str(site.folder)}
    with socket.create_server(("127.0.0.1", site.port)) as listener:
        log = site.folder / "web_server.log"
        process = web_servers.start(listener, env=env, log=log, application="endless:application")
        wait_for(lambda: "loading" in process.log, message="the application is loaded")
        process.terminate(10)


@pytest.mark.parametrize("end", ["raise SystemExit('broken')", "raise RuntimeError('broken')"])
def test_a_server_whose_application_cannot_be_loaded_ends(site: Site, end: str) -> None:
    """So that systemd hears of it; to start worker after worker would look like a server that runs."""
    (site.folder / "broken.py").write_text(end)
    env = site.env | {"PYTHONPATH": str(site.folder)}
    with socket.create_server(("127.0.0.1", site.port)) as listener:
        process = web_servers.start(listener, env=env, log=site.folder / "web_server.log", application="broken:app")
        wait_for(lambda: not process.alive, message="its end")
    assert "broken" in process.log
    assert process.terminate() == 3
