"""deploy/nginx/proppy.conf before the services of a booted Debian."""

import http.client
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import trustme

from tests.support.child import BASE_DIR
from tests.support.installed import Installed
from tests.support.ports import free_port
from tests.support.wait import wait_for

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("booted")]

CERTIFICATE = "/etc/letsencrypt/live/example.org"


@dataclass
class Nginx:
    port: int
    tls: ssl.SSLContext

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=30, context=self.tls)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def nginx(installed: Installed) -> Iterator[Nginx]:
    authority, port = trustme.CA(), free_port()
    certificate = authority.issue_cert("localhost")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    installed.write(f"{CERTIFICATE}/fullchain.pem", chain.decode())
    installed.write(f"{CERTIFICATE}/privkey.pem", certificate.private_key_pem.bytes().decode())
    config = (BASE_DIR / "deploy" / "nginx" / "proppy.conf").read_text()
    config = config.replace("example.org;", "localhost;").replace("127.0.0.1:8000", f"127.0.0.1:{installed.port}")
    config = config.replace("443 ssl", f"{port} ssl")
    config = re.sub(r"(listen (?:\[::\]:)?)80;", rf"\g<1>{free_port()};", config)
    installed.write("/etc/nginx/conf.d/proppy.conf", config)
    (installed.root / "etc/nginx/sites-enabled/default").unlink(missing_ok=True)
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    installed.run("nginx", "-t")
    installed.run("nginx")
    yield Nginx(port, tls)
    installed.run("nginx", "-s", "stop")


def test_it_hands_on_what_it_should(nginx: Nginx) -> None:
    status, page = wait_for(lambda: nginx.request("GET", "/"))
    assert status == 200
    static = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert static
    assert [nginx.request("GET", path)[0] for path in static] == [200] * len(static)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert nginx.request("POST", "/in/contact/", b"name=Ada&email=a%40example.org&text=hello", **form)[0] == 202
    assert nginx.request("POST", "/in/contact/", b"x" * (11 * 1024 * 1024))[0] == 413
    assert [nginx.request("GET", path)[0] for path in ("/metrics", "/readyz")] == [404, 404]
    assert nginx.request("GET", "/healthz")[0] == 200


def test_a_restart_behind_it_refuses_nobody(installed: Installed, nginx: Nginx) -> None:
    with installed.start("proppy-restart") as restarting:
        answers = [nginx.request("GET", "/")[0]]
        while restarting.poll() is None:
            answers.append(nginx.request("GET", "/")[0])
    assert restarting.returncode == 0
    assert set(answers) == {200}
