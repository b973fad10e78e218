"""The worker of the web server: slow clients hold no thread, and a worker whose threads are all blocked is replaced."""

import os
import select
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPResponse, parse_headers
from typing import Final

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from notifications.journal import FileJournal
from proppy.slow_clients import CONTINUE
from tests.support.child import BIN, Process
from tests.support.journals import written
from tests.support.ports import free_port
from tests.support.processes import Site
from tests.support.wait import wait_for

CLIENTS: Final = 60
THREADS: Final = 8


class Server:
    """One of eight threads, with or without TLS, that is started with `start()`."""

    def __init__(self, site: Site, authority: trustme.CA) -> None:
        self.port, self.held = free_port(), site.folder / "held"
        self.held.mkdir()
        self._site, self._authority = site, authority
        self._context: ssl.SSLContext | None = None
        self._lines = ExitStack()
        self.process: Process

    def start(self, *, tls: bool = False, listener: socket.socket | None = None, **env: str) -> None:
        if tls:
            self.write_tls_files()
            self._site.env |= {"TLS_CERTIFICATE": str(self._site.folder / "chain.pem")}
            self._site.env |= {"TLS_KEY": str(self._site.folder / "key.pem")}
        module = "tests.support.held_web_server"
        command = [str(BIN / "gunicorn"), f"--config=python:{module}", f"--bind=127.0.0.1:{self.port}"]
        env = self._site.env | {"HELD": str(self.held)} | env
        log = self._site.folder / "web.log"
        fds = [] if listener is None else [listener.fileno()]
        if fds:
            command.append(f"--bind=fd://{fds[0]}")
        self.process = Process([*command, f"{module}:application"], env=env, log=log, fds=fds)
        self.process.wait_until_listening(self.port)

    def write_tls_files(self) -> None:
        """Those of a certificate; connections speak TLS from now on."""
        certificate = self._authority.issue_cert("127.0.0.1")
        chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
        (self._site.folder / "chain.pem").write_bytes(chain)
        certificate.private_key_pem.write_to_path(str(self._site.folder / "key.pem"))
        self._context = ssl.create_default_context()
        self._authority.configure_trust(self._context)

    def connect(self) -> socket.socket:
        """A connection that lasts as long as the test."""
        line: socket.socket = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        if self._context is not None:
            line = self._context.wrap_socket(line, server_hostname="127.0.0.1")
        return self._lines.enter_context(line)

    def send(self, data: bytes) -> socket.socket:
        """Send it on a connection of its own."""
        line = self.connect()
        line.sendall(data)
        return line

    def post(self, body: bytes = b"ok", path: str = "/") -> tuple[int, int]:
        """The process that answered, and how many bytes it got."""
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        with self.send(head.encode() + body) as line:
            answer = line.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200"), answer
        process, _, size = answer.rpartition(b"\r\n")[2].partition(b" ")
        return int(process), int(size)

    def is_answered_by_another_than(self, worker: int) -> bool:
        """Asked by a connection of its own; one that the old worker took ends with it."""
        try:
            return self.post()[0] != worker
        except (OSError, AssertionError):
            return False

    def hold(self, count: int) -> None:
        """Have so many more threads held, each by a request."""
        before = len(list(self.held.iterdir()))
        for number in range(before, before + count):
            self.send(f"GET /hang{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        wait_for(lambda: len(list(self.held.iterdir())) == before + count, message="held threads")

    def close(self) -> None:
        self._lines.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(site: Site, authority: trustme.CA) -> Iterator[Server]:
    """Of the test's own, which starts it."""
    server = Server(site, authority)
    yield server
    server.close()
    server.process.kill()
    print(server.process.log)


@pytest.fixture(scope="module", params=[False, True], ids=["HTTP", "HTTPS"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("running")
    (folder / "state").mkdir(mode=0o700)
    server = Server(Site(folder), authority)
    server.start(tls=request.param)
    yield server
    server.process.kill()


@pytest.fixture
def shared(running: Server) -> Iterator[Server]:
    """One that runs, without and with TLS. Tests leave it as it was."""
    before = len(running.process.log)
    yield running
    running.close()
    print(running.process.log[before:])


SLOW: Final = {
    "nothing": b"",
    "a head": b"POST / HTTP/1.1\r\nHost: a",
    "a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello",
    "chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "a length that begins with zeros": b"POST / HTTP/1.1\r\nContent-Length: 0000000000000000009\r\n\r\nhello",
    "a size that begins with zeros": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000009\r\nhello",
    "a body that it waits to be asked for": b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    "behind a whole request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a",
}


def test_others_are_answered_while_many_send_slowly(shared: Server) -> None:
    slow = [shared.send(data) for _ in range(CLIENTS // len(SLOW)) for data in SLOW.values()]
    for _ in range(3):
        for line in slow:
            line.sendall(b"x" if line in slow[1 :: len(SLOW)] else b"")
        assert shared.post(b"x" * 100)[1] == 100
        assert shared.post(b"x" * 3_000_000)[1] == 3_000_000
    assert "are blocked" not in shared.process.log


def test_a_slow_request_is_answered_once_it_is_whole(shared: Server) -> None:
    line = shared.connect()
    for byte in b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n":
        line.sendall(bytes([byte]))
    answer = HTTPResponse(line)
    answer.begin()
    assert answer.read().endswith(b" 5")
    line.sendall(
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    )
    assert line.recv(len(CONTINUE)) == CONTINUE
    line.sendall(b"hello")
    assert line.makefile("rb").read().endswith(b" 5")


def test_who_waits_to_be_asked_for_a_body_is_asked_once(shared: Server) -> None:
    line = shared.connect()
    answers = line.makefile("rb")
    for _ in range(3):  # on one connection
        line.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert answers.read(len(CONTINUE)) == CONTINUE
        line.sendall(b"hello")
        assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
        assert answers.read(int(parse_headers(answers)["Content-Length"])).endswith(b" 5")


WRONG_FILES: Final = {
    "no key": ("chain.pem", "", "is not a certificate with its key: name files"),
    "no certificate": ("", "key.pem", "TLS_KEY is set, but no TLS_CERTIFICATE"),
    "a missing certificate": ("nowhere.pem", "key.pem", "TLS_CERTIFICATE cannot be read"),
    "a missing key": ("chain.pem", "nowhere.pem", "TLS_KEY cannot be read"),
    "a folder": ("chain.pem", ".", "TLS_KEY cannot be read"),
    "another key": ("chain.pem", "other.pem", "is not the key of TLS_CERTIFICATE"),
    "no PEM": ("chain.pem", "web.log", "is not the key of TLS_CERTIFICATE"),
    "one for the other": ("key.pem", "chain.pem", "is not the key of TLS_CERTIFICATE"),
    "a key with a password": ("chain.pem", "locked.pem", "the key without a password"),
}


@pytest.mark.parametrize(("certificate", "key", "advice"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_server_that_cannot_speak_tls_does_not_start(
    server: Server, site: Site, authority: trustme.CA, certificate: str, key: str, advice: str
) -> None:
    server.write_tls_files()
    authority.issue_cert("127.0.0.1").private_key_pem.write_to_path(str(site.folder / "other.pem"))
    loaded = load_pem_private_key((site.folder / "key.pem").read_bytes(), password=None)
    locked = loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (site.folder / "locked.pem").write_bytes(locked)
    named = {"TLS_CERTIFICATE": certificate, "TLS_KEY": key}
    site.env |= {name: str(site.folder / file) for name, file in named.items() if file}
    with pytest.raises(AssertionError, match="ended before it listened"):
        server.start()
    assert server.process.log.startswith("Wrong setting: ")
    assert advice in server.process.log
    assert server.process.log.count("\n") == 1
    assert server.process.terminate() == 1


def test_one_file_may_have_certificate_and_key(server: Server, site: Site) -> None:
    server.write_tls_files()
    both = site.folder / "both.pem"
    both.write_bytes((site.folder / "key.pem").read_bytes() + (site.folder / "chain.pem").read_bytes())
    server.start(TLS_CERTIFICATE=str(both))
    assert server.post()[1] == 2


def test_who_takes_too_long_to_send_is_told_so(server: Server) -> None:
    server.start(LONGEST_SENDING="0.2")
    answer = server.send(SLOW["a body"]).makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nRetry-After: 5\r\n" in answer
    assert server.send(SLOW["nothing"]).makefile("rb").read() == b""


def test_clients_that_do_not_hang_up_hold_nobody_up(shared: Server) -> None:
    for _ in range(CLIENTS):
        shared.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    # It gives up after 30 s; gunicorn by itself waits in turn, 2 s for each of them.
    assert shared.post()[1] == 2


@pytest.mark.parametrize(
    ("status", "data"),
    {
        "413": b"Content-Length: 99999999999\r\n\r\n",
        "413 in chunks": b"Transfer-Encoding: chunked\r\n\r\n" + b"100000\r\n%s\r\n" % bytes(0x100000) * 13,
        "431": b"X: " + b"x" * 100_000,
        "400": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    }.items(),
)
def test_what_no_thread_has_to_read_to_its_end(shared: Server, status: str, data: bytes) -> None:
    """More than there are threads; the clients send no more, and do not hang up."""
    lines = [shared.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + data) for _ in range(2 * THREADS)]
    for line in lines:
        answer = line.makefile("rb").read()
        assert answer.startswith(f"HTTP/1.1 {status[:3]} ".encode())
        assert b"Retry-After" not in answer, "the same would be refused again"
    assert shared.post()[1] == 2


@pytest.mark.parametrize(
    ("fits", "status", "head"),
    {
        "the request line": (4094, 414, lambda size: b"GET /%s HTTP/1.1\r\nHost: a\r\n" % (b"a" * (size - 14))),
        "a header": (8190, 431, lambda size: b"GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n" % (b"x" * (size - 5))),
        "headers": (100, 431, lambda count: b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: x\r\n" * (count - 1)),
        "all of it": (65536, 431, lambda size: b"GET / HTTP/1.1\r\nHost: a\r\n" + lines(size - 27)),
    }.values(),
)
def test_how_long_a_head_may_be(shared: Server, fits: int, status: int, head: Callable[[int], bytes]) -> None:
    """docs/web-servers.md has these limits."""
    for size, answer in ((fits, 200), (fits + 1, status)):
        line = shared.send(head(size) + b"\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 %d " % answer), size


def lines(size: int) -> bytes:
    """Headers of so many bytes."""
    many = b"X: %s\r\n" % (b"x" * 4995) * (size // 5000 - 1)
    return many + b"X: %s\r\n" % (b"x" * (size - len(many) - 5))


@pytest.mark.slow
def test_slow_clients_do_not_hold_up_a_stop(server: Server) -> None:
    server.start()
    for data in SLOW.values():
        server.send(data)
    assert server.post()[1] == 2
    assert server.process.terminate(timeout=15) == 0


@pytest.mark.parametrize("tls", [False, True], ids=["HTTP", "HTTPS"])
def test_a_body_of_many_small_chunks_costs_little(server: Server, tls: bool) -> None:
    """gunicorn copies what it has for each chunk: of a body that it had as a whole that took minutes."""
    server.start(tls=tls, LONGEST_REQUEST="1000")
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    line = server.send(head + b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n")
    assert line.makefile("rb").read().endswith(b" 200000")


def test_requests_behind_one_another_are_answered_in_turn(shared: Server) -> None:
    bodies = [b"", b"a" * 10, b"b" * 300_000, b"", b"c" * 5]
    posts = [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body for body in bodies]
    answers = shared.send(b"".join(posts)).makefile("rb")  # one reader: it has more than one answer at a time
    for body in bodies:
        assert answers.readline().startswith(b"HTTP/1.1 200")
        length = int(parse_headers(answers)["Content-Length"])
        assert answers.read(length).endswith(b" %d" % len(body))


def test_clients_that_are_gone_before_they_are_accepted_end_no_worker(shared: Server) -> None:
    before = shared.post()[0]
    os.kill(before, signal.SIGSTOP)
    for data in [b"", b"x"] * 20:
        with socket.create_connection(("127.0.0.1", shared.port)) as line:
            line.sendall(data)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    os.kill(before, signal.SIGCONT)
    assert shared.post()[0] == before


def test_small_requests_are_taken_while_large_ones_fill_all_room(server: Server) -> None:
    server.start()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12000000\r\n\r\n"
    large = [server.send(head + bytes(11_900_000)) for _ in range(14)]
    for _ in range(3):
        line = server.send(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 9\r\n\r\nsmal")
        line.sendall(b"l one")
        assert line.makefile("rb").read().endswith(b" 9")
    refused = [line for line in large if select.select([line], [], [], 0)[0]]
    answers = [line.recv(1000) for line in refused]
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 503"}
    assert all(b"\r\nRetry-After: 5\r\n" in answer for answer in answers)
    assert len(refused) < len(large)


def test_a_busy_server_leaves_connections_to_another_on_its_socket(server: Server) -> None:
    """They would wait for its threads, and be lost with it."""
    with socket.create_server(("127.0.0.1", server.port)) as listener:
        server.start(listener=listener, LONGEST_REQUEST="1000")
        server.hold(THREADS)
        for _ in range(THREADS):  # they wait for its threads
            server.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        busy = server.process
        server.start(listener=listener)
        try:
            assert len({server.post()[0] for _ in range(20)}) == 1
        finally:
            busy.kill()


def test_a_worker_whose_threads_are_all_held_is_replaced(server: Server, site: Site) -> None:
    server.start()
    before = server.post()[0]
    server.hold(THREADS - 1)
    assert server.post()[0] == before
    server.hold(1)
    wait_for(lambda: server.is_answered_by_another_than(before), timeout=30)
    assert f"All {THREADS} threads are blocked for over 1 s" in server.process.log
    assert "held_web_server.py" in server.process.log, "where they are"
    entries = written(FileJournal(site.folder / "state" / "journal"))
    (alert,) = (entry.fields for entry in entries if "threads" in str(entry.fields["MESSAGE"]))
    assert alert["PROPPY_EVENT"] == "SLACK"


@pytest.mark.slow
def test_a_worker_that_is_frozen_is_replaced(server: Server) -> None:
    server.start()
    before = server.post()[0]
    os.kill(before, signal.SIGSTOP)
    wait_for(lambda: server.is_answered_by_another_than(before), timeout=30)


@pytest.mark.slow
def test_systemd_hears_each_second_that_it_lives_and_nothing_while_it_does_not(server: Server, site: Site) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(site.folder / "notify"))
        systemd.settimeout(30)
        server.start(NOTIFY_SOCKET=str(site.folder / "notify"), LONGEST_REQUEST="0.1")
        assert systemd.recv(100) == b"WATCHDOG=1"
        worker = server.post()[0]
        server.hold(THREADS)
        wait_for(lambda: "are blocked" in server.process.log)
        _drain(systemd)
        wait_for(lambda: server.is_answered_by_another_than(worker), timeout=30)
        assert systemd.recv(100) == b"WATCHDOG=1", "of the next one"


def _drain(line: socket.socket) -> None:
    line.setblocking(False)
    try:
        while line.recv(100):
            pass
    except BlockingIOError:
        line.settimeout(30)
