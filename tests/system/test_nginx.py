"""deploy/nginx/proppy.conf before the services of a booted Debian."""

import http.client
import re
import socket
import ssl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import trustme

from tests.support.booted import SERVICES
from tests.support.child import BASE_DIR
from tests.support.installed import Installed
from tests.support.load import Load
from tests.support.ports import free_port
from tests.support.wait import wait_for

pytestmark = pytest.mark.system

FORM = "application/x-www-form-urlencoded"
CERTIFICATE = "/etc/letsencrypt/live/example.org"


@dataclass
class Nginx:
    """Where it listens, or what speaks TLS in its place; `plain` is its port without TLS."""

    port: int
    tls: ssl.SSLContext
    plain: int = 0

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=30, context=self.tls)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def try_request(self, method: str, path: str) -> int:
        """The status; 0 where there is no answer."""
        try:
            return self.request(method, path)[0]
        except (OSError, http.client.HTTPException):
            return 0


@pytest.fixture
def certificate(installed: Installed) -> ssl.SSLContext:
    """The machine has one for localhost, which clients with this context trust."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    installed.write(f"{CERTIFICATE}/fullchain.pem", chain.decode())
    installed.write(f"{CERTIFICATE}/privkey.pem", certificate.private_key_pem.bytes().decode())
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    return tls


@pytest.fixture
def nginx(installed: Installed, certificate: ssl.SSLContext) -> Iterator[Nginx]:
    port, plain = free_port(), free_port()
    config = (BASE_DIR / "deploy" / "nginx" / "proppy.conf").read_text()
    config = config.replace("example.org;", "localhost;").replace("127.0.0.1:8000", f"127.0.0.1:{installed.port}")
    config = config.replace("443 ssl", f"{port} ssl")
    config = re.sub(r"(listen (?:\[::\]:)?)80\b", rf"\g<1>{plain}", config)
    installed.write("/etc/nginx/conf.d/proppy.conf", config)
    (installed.root / "etc/nginx/sites-enabled/default").unlink(missing_ok=True)
    assert "[warn]" not in installed.run("nginx", "-t")
    installed.run("nginx")
    yield Nginx(port, certificate, plain)
    installed.run("nginx", "-s", "stop")


def test_it_hands_on_what_it_should(nginx: Nginx) -> None:
    status, page = wait_for(lambda: nginx.request("GET", "/"))
    assert status == 200
    static = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert static
    assert [nginx.request("GET", path)[0] for path in static] == [200] * len(static)
    form = b"name=Ada&email=a%40example.org&text=hello"
    assert nginx.request("POST", "/in/contact/", form, **{"Content-Type": FORM})[0] == 202
    assert nginx.request("POST", "/in/contact/", b"x" * (11 * 1024 * 1024))[0] == 413
    assert [nginx.request("GET", path)[0] for path in ("/metrics", "/readyz")] == [404, 404]
    unknown = nginx.request("GET", "/readyz", Authorization="Bearer unknown")
    assert unknown == (404, "not found\n"), "the site's answer"
    assert nginx.request("GET", "/healthz")[0] == 200


def ask_plain(port: int, host: str, path: str = "/") -> tuple[int, str | None]:
    """The status, and where to go instead. Raises RemoteDisconnected where there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location")
    finally:
        connection.close()


def test_scanners_reach_no_server_and_visitors_are_sent_to_https(installed: Installed, nginx: Nginx) -> None:
    wait_for(lambda: nginx.try_request("GET", "/healthz") == 200)
    assert ask_plain(nginx.plain, "localhost", "/a?b") == (301, "https://localhost/a?b")
    for host in ("127.0.0.1", "evil.example"):
        with pytest.raises(http.client.RemoteDisconnected):
            ask_plain(nginx.plain, host)
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    for name in ("127.0.0.1", "evil.example"):
        plain = socket.create_connection(("127.0.0.1", nginx.port), timeout=30)
        with plain, pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
            anyone.wrap_socket(plain, server_hostname=name)


def test_certbot_is_answered_over_http(installed: Installed, nginx: Nginx) -> None:
    path = "/.well-known/acme-challenge/token"
    there = installed.root / "var/www/html" / path.lstrip("/")
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_text("answer")
    wait_for(lambda: nginx.try_request("GET", "/healthz") == 200)
    assert ask_plain(nginx.plain, "localhost", path)[0] == 200


def test_a_restart_behind_it_refuses_nobody(installed: Installed, nginx: Nginx) -> None:
    with installed.start("proppy-restart") as restarting:
        answers = [nginx.request("GET", "/")[0]]
        while restarting.poll() is None:
            answers.append(nginx.request("GET", "/")[0])
    assert restarting.returncode == 0
    assert set(answers) == {200}


def test_a_restart_of_the_target_behind_it_refuses_nobody(installed: Installed, nginx: Nginx) -> None:
    def send(body: bytes, **headers: str) -> int:
        return nginx.request("POST", "/in/contact/", body, **{"Content-Type": FORM}, **headers)[0]

    # All of one client, whose posts are limited.
    with Load(nginx.port, per_second=20, threads=4, send=send) as load:
        load.during(installed.restart_at_once)
    assert load.refused == {}
    installed.wait_until_handled(load.accepted)


def test_nobody_can_say_that_they_are_somebody_else(installed: Installed, nginx: Nginx) -> None:
    """What nginx has seen is what counts, for limits and for what is stored."""
    mark = uuid.uuid4().hex
    body = f"name={mark}&email=a%40example.org&text=hello".encode()
    forged = {"Content-Type": FORM, "X-Forwarded-For": "203.0.113.9", "X_Forwarded_For": "203.0.113.9"}
    assert nginx.request("POST", "/in/contact/", body, **forged)[0] == 202
    newest = "SELECT remote_addr FROM notifications_rawpayload ORDER BY id DESC LIMIT 1"
    assert installed.rows(newest) == [["127.0.0.1"]]


def test_a_body_that_trickles_and_breaks_off_reaches_no_server(installed: Installed, nginx: Nginx) -> None:
    """Neither nginx nor the server behind it takes a cut body for a whole one."""
    count = "SELECT count(*) FROM notifications_rawpayload WHERE source = 'contact'"
    before = installed.rows(count)[0][0]
    for length, sent in (("Transfer-Encoding: chunked", b"5\r\nhello\r\n5\r\nhe"), ("Content-Length: 10", b"hello")):
        plain = socket.create_connection(("127.0.0.1", nginx.port), timeout=30)
        with nginx.tls.wrap_socket(plain, server_hostname="localhost") as client:
            head = f"POST /in/contact/ HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n"
            for byte in head.encode() + sent:
                client.send(bytes([byte]))
    assert nginx.request("POST", "/in/contact/", b"text=whole", **{"Content-Type": FORM})[0] == 202
    wait_for(lambda: installed.rows(count)[0][0] == before + 1, message="the whole one alone")


def test_floods_are_told_when_to_come_back(nginx: Nginx) -> None:
    """30 forms a minute, and 20 at once, of one client."""
    answers = [nginx.request("POST", "/sign-in/")[0] for _ in range(40)]
    assert 429 in answers[20:]
    assert set(answers[:20]) == {403}  # no CSRF token: the site's own answer


def test_without_it_the_servers_speak_tls_themselves(installed: Installed, certificate: ssl.SSLContext) -> None:
    """As deploy/README.md has it."""
    port = free_port()
    drop_ins = {
        "proppy-web.socket": f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n",
        "proppy-web@.service": f"""
            [Service]
            LoadCredential=tls.crt:{CERTIFICATE}/fullchain.pem
            LoadCredential=tls.key:{CERTIFICATE}/privkey.pem
            Environment=TLS_CERTIFICATE=%d/tls.crt TLS_KEY=%d/tls.key
            """.replace("    ", ""),
    }
    for unit, text in drop_ins.items():
        installed.write(f"/etc/systemd/system/{unit}.d/tls.conf", text)
    tls = Nginx(port, certificate)
    try:
        installed.run("systemctl", "daemon-reload")
        installed.run("systemctl", "restart", "proppy-web.socket")
        wait_for(lambda: tls.try_request("GET", "/healthz") == 200, timeout=60, message="TLS without nginx")
        answers = [tls.request("GET", "/")[0]]
        with installed.start("proppy-restart") as restarting:
            while restarting.poll() is None:
                answers.append(tls.request("GET", "/")[0])
        assert (restarting.returncode, set(answers)) == (0, {200})
    finally:
        for unit in drop_ins:
            installed.run("rm", f"/etc/systemd/system/{unit}.d/tls.conf")
        installed.run("systemctl", "daemon-reload")
        installed.run("systemctl", "restart", "proppy-web.socket")
        installed.run("systemctl", "start", "proppy.target", *SERVICES)


def test_without_it_visitors_of_port_80_are_sent_to_https(installed: Installed) -> None:
    socket_unit, port = "proppy-redirect.socket", free_port()
    folder = f"/etc/systemd/system/{socket_unit}.d"
    installed.write(f"{folder}/port.conf", f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n")
    try:
        installed.run("systemctl", "daemon-reload")
        installed.run("systemctl", "enable", "--now", socket_unit)
        assert ask_plain(port, "localhost:80", "/a?b") == (301, "https://localhost/a?b")
        assert ask_plain(port, "evil.example") == (404, None)
        before = installed.main_pid("proppy-redirect.service")
        installed.run("proppy-restart")
        assert installed.main_pid("proppy-redirect.service") != before, "it is of the release in use"
        assert ask_plain(port, "localhost")[0] == 301
    finally:
        installed.run("systemctl", "disable", "--now", socket_unit)
        installed.run("systemctl", "stop", "proppy-redirect.service")
        installed.run("rm", "-r", folder)
        installed.run("systemctl", "daemon-reload")
