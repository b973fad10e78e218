"""The application that each server runs: it reads the body as WSGI has it, and notes what it took for a whole one."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CHUNK = 64 * 1024
#: A body that never ends is given up after so many bytes: the server has let the application decide.
MOST = 32 * 1024 * 1024
NOTES = Path(os.environ.get("WEB_SERVERS_NOTES", os.devnull))


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answers 200 once the body has come to its end, 413 where it is too long, and 400 where the server raises."""
    if environ["REQUEST_METHOD"] != "POST":
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
    try:
        body = read(environ)
    except (OSError, ValueError) as error:
        start_response("400 Bad Request", [("Content-Length", "0"), ("X-Error", type(error).__name__)])
        return [b""]
    if len(body) > MOST:
        start_response("413 Content Too Large", [("Content-Length", "0"), ("Connection", "close")])
        return [b""]
    note(environ, body)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def read(environ: dict[str, Any]) -> bytes:
    """To the length that the server names, else to the end that it vouches for. ValueError for a shorter one."""
    length = environ.get("CONTENT_LENGTH") or None
    if length is not None and "HTTP_TRANSFER_ENCODING" in environ:
        raise ValueError("both a length and an encoding")
    if length is None and not environ.get("wsgi.input_terminated"):
        raise ValueError("neither a length nor an end")
    body = bytearray()
    most = MOST + 1 if length is None else int(length)
    while len(body) < most and (piece := environ["wsgi.input"].read(min(CHUNK, most - len(body)))):
        body += piece
    if length is not None and len(body) < most:
        raise ValueError("shorter than its length")
    return bytes(body)


def note(environ: dict[str, Any], body: bytes) -> None:
    """One line for each body that was taken for a whole one."""
    line = {"path": environ["PATH_INFO"], "length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    with NOTES.open("a") as file:
        file.write(json.dumps(line) + "\n")
