"""Reads a request's raw body to its end, and selects the headers to store. Parses nothing."""

import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, Final, Protocol

from django.conf import settings
from django.http import HttpRequest

from notifications.errors import BadRequest, BodyTooShort
from notifications.http.headers import is_credential
from notifications.intake.body_length import announced_length, check_size
from notifications.intake.received_body import ReceivedBody

logger = logging.getLogger(__name__)

CHUNK: Final = 64 * 1024
#: SERVER_SOFTWARE of web servers that report cut chunks, as `make web-servers` shows (docs/web-servers.md).
TELLS_CUT_CHUNKS: Final = re.compile(r"gunicorn/(\d+)\.")
OLDEST_GUNICORN: Final = 22


class Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def read_body(request: HttpRequest, limit: int) -> bytes:
    """Returns the whole body. Raises BodyTooShort, BodyTooLarge, LengthRequired, BadRequest, BodyTooSlow.

    Under WSGI it is read from the web server: `request.body` is b"" for a chunked body, and accepts one that ends
    before its Content-Length. Where a middleware has read it before, it is what Django has kept of it. Under ASGI it
    has been received before, by `notifications.asgi` or by Django.
    """
    received: ReceivedBody | None = getattr(request, "received_body", None)
    if received is not None:
        return take_received(received, limit)
    length = _announced(request.META, limit)
    if length is not None:
        return _read_announced(request, length)
    return _read_to_end(_stream_of(request), limit)  # without a length Django has read nothing of it


def read_input(environ: Mapping[str, Any], limit: int, stream: Readable) -> bytes:
    """Returns the whole body as the web server hands it on under WSGI. Raises what `read_body()` raises."""
    length = _announced(environ, limit)
    return _read_to_end(stream, limit) if length is None else _read_exactly(stream, length)


def _announced(meta: Mapping[str, Any], limit: int) -> int | None:
    tells = not meta.get("CONTENT_LENGTH") and _tells_cut_chunks(meta)
    return announced_length(meta, limit, tells_cut_chunks=tells)


def _stream_of(request: HttpRequest) -> Readable:
    stream: Readable = request.META.get("wsgi.input", request._stream)  # where Django has put the body
    return stream


def _read_announced(request: HttpRequest, length: int) -> bytes:
    kept: bytes | None = vars(request).get("_body")
    if kept is not None and len(kept) > length:
        logger.error("POST %s: a middleware has altered the body. %s", request.path, _look_at())
        raise BadRequest("the body is not as it was sent")
    try:
        return _read_exactly(_stream_of(request) if kept is None else BytesIO(kept), length)
    except BodyTooShort:
        if kept is None and getattr(request, "_read_started", False):
            logger.error("POST %s: the body was read before the view, and is gone. %s", request.path, _look_at())
        raise


def _look_at() -> str:
    """Which middlewares may have read a body."""
    own = [path for path in settings.MIDDLEWARE if not path.startswith(("django.", "notifications."))]
    return (
        "Nothing was stored. A middleware that uses request.POST, request.FILES or request.read() must leave this path"
        f" alone, or read request.body first, which Django keeps. Look at: {', '.join(own) or 'decorators of the view'}"
    )


def take_received(received: ReceivedBody, limit: int) -> bytes:
    """The whole body that came under ASGI. Raises what it is refused for."""
    if received.refusal is not None:
        raise received.refusal
    check_size(len(received.data), limit)  # the source of the view may have a lower limit than the largest
    return received.data


def _tells_cut_chunks(meta: Mapping[str, Any]) -> bool:
    """Whether this web server raises if a chunked body is cut or invalid."""
    server = TELLS_CUT_CHUNKS.match(meta.get("SERVER_SOFTWARE", ""))
    return bool(meta.get("wsgi.input_terminated")) and server is not None and int(server[1]) >= OLDEST_GUNICORN


@lru_cache(maxsize=1024)
def _header_name(variable: str) -> str:
    """The header name of a WSGI variable HTTP_…; "" for one that is not stored."""
    name = variable[5:].replace("_", "-").lower()
    return "" if not variable.startswith("HTTP_") or is_credential(name) else name


def without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name, without credentials and cookies."""
    return {name.lower(): value for name, value in headers.items() if not is_credential(name.lower().replace("_", "-"))}


def stored_headers(meta: Mapping[str, Any]) -> dict[str, str]:
    """Headers as WSGI gives them, by lower-case name, without credentials and cookies."""
    return {name: value for variable, value in meta.items() if (name := _header_name(variable))}


def _read_exactly(stream: Readable, length: int) -> bytes:
    body = _read(stream, length)
    if len(body) < length:
        raise BodyTooShort(f"the body ended after {len(body)} of {length} bytes")
    return body


def _read_to_end(stream: Readable, limit: int) -> bytes:
    body = _read(stream, limit + 1)
    check_size(len(body), limit)
    return body


def _read(stream: Readable, most: int) -> bytes:
    """Read `most` bytes, or fewer if the stream ends. One read() of a stream may return fewer."""
    try:
        first = stream.read(most)
        if len(first) == most:
            return first
        chunks, missing = [first], most - len(first)
        while missing and (chunk := stream.read(min(missing, CHUNK))):
            chunks.append(chunk)
            missing -= len(chunk)
    except OSError as error:
        raise BodyTooShort("the body cannot be read to its end") from error
    except Exception as error:  # the web server's own class
        raise BadRequest(f"the body cannot be read to its end: {type(error).__name__}") from error
    return b"".join(chunks)
