"""Reads a request's raw body to its end, and selects the headers to store. Parses nothing."""

import logging
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from io import BytesIO
from typing import Any, Final, ParamSpec, Protocol

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from notifications.errors import BadRequest, BodyTooLarge, BodyTooShort, IntakeError, LengthRequired
from notifications.http.headers import is_credential
from notifications.http.independent_view import independent
from notifications.http.no_store import forbid_storing

logger = logging.getLogger(__name__)

P = ParamSpec("P")

CHUNK: Final = 64 * 1024
#: SERVER_SOFTWARE of web servers that report cut chunks, as `make web-servers` shows (docs/web-servers.md).
TELLS_CUT_CHUNKS: Final = re.compile(r"gunicorn/(\d+)\.")
OLDEST_GUNICORN: Final = 22


class Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def raw_body(view: Callable[P, HttpResponseBase]) -> Callable[P, HttpResponseBase]:
    """Decorates a view that calls `capture()`. Nothing reads the body before the view; IntakeError becomes an answer.

    The view is exempt from CSRF, whose middleware would read the body, so it must not rely on cookies. It is exempt
    from LoginRequiredMiddleware and ATOMIC_REQUESTS too: inside a transaction `capture()` cannot use the spool.
    """

    @wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(*args, **kwargs)
        except IntakeError as error:
            response = JsonResponse({"error": str(error)}, status=error.status)
            if error.retry_after is not None:
                response["Retry-After"] = str(error.retry_after)
            return forbid_storing(response)

    return csrf_exempt(independent(wrapped))


def body_of(request: HttpRequest, limit: int) -> bytes:
    """The whole body of a Django request, also where a middleware has read it before. Raises as `read_body` does."""
    meta, kept = request.META, vars(request).get("_body")
    length = meta.get("CONTENT_LENGTH", "")
    if kept is None or not length:  # without a length Django has read nothing of it
        return _read_first(request, limit)
    if length.isdigit() and len(kept) > int(length):
        logger.error("POST %s: a middleware has altered the body. %s", request.path, _look_at())
        raise BadRequest("the body is not as it was sent")
    return read_body({**meta, "wsgi.input": BytesIO(kept)}, limit)


def _read_first(request: HttpRequest, limit: int) -> bytes:
    try:
        return read_body(request.META, limit)
    except BodyTooShort:
        if getattr(request, "_read_started", False):
            logger.error("POST %s: the body was read before the view, and is gone. %s", request.path, _look_at())
        raise


def _look_at() -> str:
    """Which middlewares may have read a body."""
    own = [path for path in settings.MIDDLEWARE if not path.startswith(("django.", "notifications."))]
    return (
        "Nothing was stored. A middleware that uses request.POST, request.FILES or request.read() must leave this path"
        f" alone, or read request.body first, which Django keeps. Look at: {', '.join(own) or 'decorators of the view'}"
    )


def read_body(meta: Mapping[str, Any], limit: int) -> bytes:
    """Returns the whole body of a WSGI request. Raises BodyTooShort, BodyTooLarge, LengthRequired, BadRequest.

    `request.body` is b"" for a chunked body, and accepts one that ends before its Content-Length.
    """
    stream, length = meta["wsgi.input"], meta.get("CONTENT_LENGTH", "")
    coding = meta.get("HTTP_TRANSFER_ENCODING")
    if length and coding is not None:  # servers differ in which of them counts (RFC 9112)
        raise BadRequest("send a Content-Length or a Transfer-Encoding, not both")
    if length:
        return _read_exactly(stream, _parse_length(length, limit))
    if (coding is not None and coding.lower() != "chunked") or not _tells_cut_chunks(meta):
        raise LengthRequired("send a Content-Length: without one, empty, whole and cut bodies look alike here")
    body = _read(stream, limit + 1)  # without length and chunks it is empty (RFC 9112, 6.3)
    if len(body) > limit:
        raise BodyTooLarge(f"the body is larger than {limit} bytes")
    return body


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


def _parse_length(length: str, limit: int) -> int:
    if not (length.isascii() and length.isdigit()):
        raise BadRequest("Content-Length is not a number")
    if len(length) > len(str(limit)) + 10 or int(length) > limit:
        raise BodyTooLarge(f"the body is larger than {limit} bytes")
    return int(length)


def _read_exactly(stream: Readable, length: int) -> bytes:
    body = _read(stream, length)
    if len(body) < length:
        raise BodyTooShort(f"the body ended after {len(body)} of {length} bytes")
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
