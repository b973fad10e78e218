"""Visitor, checked against a server that echoes."""

import json
from collections.abc import Iterator
from email import message_from_string
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.support.visitor import Visitor


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = False
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Visitor(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


def test_keeps_cookies_and_follows_redirects(visitor: Visitor) -> None:
    answer = visitor.get("/away")
    assert answer.url == visitor.base_url + "/form"
    assert [cookie.value for cookie in visitor.cookies] == ["chocolate"]


def test_form_sends_the_token_of_the_page(visitor: Visitor) -> None:
    visitor.get("/form")
    sent = json.loads(visitor.post_form("/echo", name="Ada & Co").body)
    assert sent["body"] == "csrfmiddlewaretoken=t0ken&name=Ada+%26+Co"
    assert sent["Cookie"] == "kind=chocolate"
    assert sent["Origin"] == visitor.base_url


def test_upload_is_multipart(visitor: Visitor) -> None:
    visitor.get("/form")
    answer = visitor.upload("/echo", "photo", "a.png", b"\x89PNG", content_type="image/png", title="Me")
    sent = json.loads(answer.body)
    parsed = message_from_string(f"Content-Type: {sent['Content-Type']}\n\n{sent['body']}")
    parts = [
        (part.get_param("name", header="Content-Disposition"), part.get_payload())
        for part in parsed.walk()
        if not part.is_multipart()
    ]
    assert parts == [("csrfmiddlewaretoken", "t0ken"), ("title", "Me"), ("photo", "\x89PNG")]


def test_an_error_is_an_answer(visitor: Visitor) -> None:
    assert visitor.get("/nothing").status == 404


class _Echo(BaseHTTPRequestHandler):
    """A form with a cookie and a token at /form, a redirect to it at /away, and what was posted as JSON."""

    def do_GET(self) -> None:
        status = {"/form": 200, "/away": 302}.get(self.path, 404)
        headers = {"Set-Cookie": "kind=chocolate; HttpOnly", "Location": "/form"}
        self._send(status, b'<input type="hidden" name="csrfmiddlewaretoken" value="t0ken">', headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode("latin-1")
        self._send(200, json.dumps({**self.headers, "body": body}).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
