"""What proppy-redirect.service runs, for sites without nginx."""

import http.client
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.child import Process, bare_env
from tests.support.ports import free_port

MODULE = "deploy.operate.redirect"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", f"--bind=127.0.0.1:{port}", f"--config=python:{MODULE}"]
    env = bare_env(tmp_path) | {"ALLOWED_HOSTS": "www.example.org, .example.com"}
    process = Process([*command, f"{MODULE}:application"], env=env, log=tmp_path / "log")
    process.wait_until_listening(port)
    yield port
    process.terminate()


def ask(port: int, host: str, path: str = "/", method: str = "GET") -> tuple[int, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={"Host": host})
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.getheader("Location")


def test_visitors_of_the_site_are_sent_to_https(port: int) -> None:
    assert ask(port, "www.example.org", "/a%20b?c=d%0d") == (301, "https://www.example.org/a%20b?c=d%0d")
    assert ask(port, "WWW.Example.org:80", method="POST") == (301, "https://www.example.org/")
    assert ask(port, "shop.example.com", "//evil.example/x") == (301, "https://shop.example.com//evil.example/x")


def test_nobody_is_sent_anywhere_else(port: int) -> None:
    for host in ("evil.example", "127.0.0.1", "", "www.example.org@evil.example", "[::1"):
        assert ask(port, host) == (404, None), host


def test_an_address_in_the_request_line_is_none_of_ours(port: int) -> None:
    assert ask(port, "www.example.org", "http://evil.example/") == (404, None)
