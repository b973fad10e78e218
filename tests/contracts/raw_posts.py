"""Posts to /in/<source>/ that WSGI and ASGI answer alike, and how a web server of each hands them on."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from asgiref.sync import async_to_sync

Answer = tuple[int, str]

SOURCES: Final[dict[str, dict[str, Any]]] = {
    "open": {"http": True},
    "small": {"http": True, "max_body_bytes": 10},
    "internal": {},
}
CHUNKED: Final = (("transfer-encoding", "chunked"),)


@dataclass(frozen=True, slots=True)
class RawPost:
    """`length`: what Content-Length says; None: the truth; "": it is not sent. `gone`: the client goes after `body`."""

    body: bytes = b"x"
    source: str = "open"
    length: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    gone: bool = False

    @property
    def path(self) -> str:
        return f"/in/{self.source}/"

    @property
    def content_length(self) -> str:
        return str(len(self.body)) if self.length is None else self.length


#: The status of each, and the post.
REFUSED: Final[dict[str, tuple[int, RawPost]]] = {
    "short": (400, RawPost(b"12345", length="6", gone=True)),
    "nothing of it": (400, RawPost(b"", length="1", gone=True)),
    "no number": (400, RawPost(length="five")),
    "negative": (400, RawPost(length="-1")),
    "signed": (400, RawPost(length="+1")),
    "other digits": (400, RawPost(length="²")),
    "underscore": (400, RawPost(length="1_0")),
    "cut chunks": (400, RawPost(b"123", length="", headers=CHUNKED, gone=True)),
    "no chunk of it": (400, RawPost(b"", length="", headers=CHUNKED, gone=True)),
    "chunks and a length": (400, RawPost(headers=CHUNKED)),
    "a length and no known encoding": (400, RawPost(headers=(("transfer-encoding", "x"),))),
    "an encoding besides": (411, RawPost(length="", headers=(("transfer-encoding", "gzip, chunked"),))),
    "an empty encoding": (411, RawPost(length="", headers=(("transfer-encoding", ""),))),
    "too large": (413, RawPost(b"x" * 11, "small")),
    "too large, it says": (413, RawPost(b"x", "small", length="11")),
    "too large in chunks": (413, RawPost(b"x" * 11, "small", length="", headers=CHUNKED)),
    "huge": (413, RawPost(length="9" * 5000)),
    "unknown": (404, RawPost(source="nobody")),
    "internal": (404, RawPost(source="internal")),
    "empty key": (400, RawPost(headers=(("idempotency-key", ""),))),
    "long key": (400, RawPost(headers=(("idempotency-key", "k" * 256),))),
}
TAKEN: Final[dict[str, RawPost]] = {
    "with a length": RawPost(bytes(range(256)) * 1000),
    "empty": RawPost(b""),
    "in chunks": RawPost(b"x" * 10, "small", length="", headers=CHUNKED),
    "in no chunk": RawPost(b"", length="", headers=CHUNKED),
    "neither length nor chunks": RawPost(b"", length=""),
}


class BrokenInput(BytesIO):
    """A `wsgi.input` that raises at its end, as gunicorn's does for chunks that broke off."""

    def read(self, size: int | None = -1, /) -> bytes:
        if not (data := super().read(size)):
            raise ConnectionResetError
        return data


def wsgi_answer(application: Any, post: RawPost) -> Answer:
    """What the application answers behind gunicorn."""
    broken = post.gone and not post.content_length
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": post.path,
        "QUERY_STRING": "",
        "CONTENT_LENGTH": post.content_length,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "gunicorn/27.0.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BrokenInput(post.body) if broken else BytesIO(post.body),
        "wsgi.input_terminated": True,
    }
    environ |= {"HTTP_" + name.upper().replace("-", "_"): value for name, value in post.headers}
    statuses: list[str] = []
    response = application(environ, lambda status, *_: statuses.append(status))
    body = b"".join(response)
    response.close()
    return int(statuses[0].split()[0]), body.decode()


class AsgiServer:
    """Hands on one request in pieces, and notes what is answered."""

    def __init__(self, post: RawPost, *, piece: int = 1000) -> None:
        self.pieces_left = deque(post.body[at : at + piece] for at in range(0, len(post.body), piece))
        self._gone, self._ended = post.gone, False
        self.pieces_asked_for = 0
        self.answer: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        self.pieces_asked_for += 1
        if self.pieces_left:
            body = self.pieces_left.popleft()
            return {"type": "http.request", "body": body, "more_body": bool(self.pieces_left) or self._gone}
        if self._gone:
            return {"type": "http.disconnect"}
        if not self._ended and self.pieces_asked_for == 1:
            self._ended = True
            return {"type": "http.request"}
        return await asyncio.Future()

    async def send(self, message: dict[str, Any]) -> None:
        self.answer.append(message)


class Uvicorn(AsgiServer):
    """By whose module it is known as one that tells of cut chunks."""


Uvicorn.__module__ = "uvicorn.protocols.http.h11_impl"


def scope_of(post: RawPost, **changes: Any) -> dict[str, Any]:
    headers = [("host", "testserver"), *post.headers]
    headers += [("content-length", post.content_length)] if post.content_length else []
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": post.path,
        "raw_path": post.path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 1234),
        "server": ("testserver", 80),
    } | changes


def asgi_answer(application: Any, post: RawPost, server: AsgiServer | None = None, **changes: Any) -> Answer:
    """What the application answers behind a server; by default one that tells of cut chunks."""
    server = Uvicorn(post) if server is None else server
    async_to_sync(application)(scope_of(post, **changes), server.receive, server.send)
    start, *bodies = server.answer
    return start["status"], b"".join(message.get("body", b"") for message in bodies).decode()


def words_of(answer: Answer) -> str:
    """What a refusal says."""
    return str(json.loads(answer[1])["error"])
