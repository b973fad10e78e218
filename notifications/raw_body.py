"""Reads the raw body of a request to its end, and what else is stored of it. Parses nothing."""

from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any, Final, ParamSpec, Protocol

from django.db import transaction
from django.http import HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from notifications.errors import BadRequest, BodyTooLarge, BodyTooShort, IntakeError, LengthRequired
from notifications.headers import is_credential

P = ParamSpec("P")

CHUNK: Final = 64 * 1024


class Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def raw_body(view: Callable[P, HttpResponseBase]) -> Callable[P, HttpResponseBase]:
    """Decorates a view that calls `capture()`: nothing reads the body before it, and IntakeError becomes its status.

    Exempt from CSRF, whose middleware would read the body: let nothing in the view rest on a cookie. Exempt from
    ATOMIC_REQUESTS, which would take away the spool.
    """

    @wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(*args, **kwargs)
        except IntakeError as error:
            response = JsonResponse({"error": str(error)}, status=error.status)
            if error.retry_after is not None:
                response["Retry-After"] = str(error.retry_after)
            return response

    return csrf_exempt(transaction.non_atomic_requests(wrapped))


def read_body(meta: Mapping[str, Any], limit: int) -> bytes:
    """The body of a WSGI request, all of it. Raises BodyTooShort, BodyTooLarge, LengthRequired, BadRequest.

    Django's own reading gives b"" for a chunked body and takes a short one for whole (FACTS).
    """
    stream, length = meta["wsgi.input"], meta.get("CONTENT_LENGTH", "")
    if length and "HTTP_TRANSFER_ENCODING" not in meta:  # which wins over a length (RFC 9112, 6.3)
        return _read_exactly(stream, _parse_length(length, limit))
    if not _has_end(meta):
        raise LengthRequired("send a Content-Length, or a chunked body")
    body = _read(stream, limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(f"the body is larger than {limit} bytes")
    return body


def _has_end(meta: Mapping[str, Any]) -> bool:
    """Whether the end of a body without a length can be told: chunks of HTTP/1.1, frames of HTTP/2."""
    framed = "HTTP_TRANSFER_ENCODING" in meta or not meta.get("SERVER_PROTOCOL", "").startswith("HTTP/1")
    return bool(meta.get("wsgi.input_terminated")) and framed


@lru_cache(maxsize=1024)
def _name_of(variable: str) -> str:
    """The header of a WSGI variable HTTP_…; "" for one that is not stored."""
    name = variable[5:].replace("_", "-").lower()
    return "" if not variable.startswith("HTTP_") or is_credential(name) else name


def without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name, without credentials and cookies."""
    return {name.lower(): value for name, value in headers.items() if not is_credential(name.lower().replace("_", "-"))}


def stored_headers(meta: Mapping[str, Any]) -> dict[str, str]:
    """Headers as WSGI gives them, by lower-case name, without credentials and cookies."""
    return {name: value for variable, value in meta.items() if (name := _name_of(variable))}


def _parse_length(length: str, limit: int) -> int:
    if not (length.isascii() and length.isdigit()):
        raise BadRequest("Content-Length is no number")
    if len(length) > len(str(limit)) + 10 or int(length) > limit:
        raise BodyTooLarge(f"the body is larger than {limit} bytes")
    return int(length)


def _read_exactly(stream: Readable, length: int) -> bytes:
    body = _read(stream, length)
    if len(body) < length:
        raise BodyTooShort(f"the body ended after {len(body)} of {length} bytes")
    return body


def _read(stream: Readable, most: int) -> bytes:
    """Up to `most` bytes, fewer only where the stream ends. A stream may give less than it is asked for."""
    try:
        first = stream.read(most)
        if len(first) == most:
            return first
        chunks, missing = [first], most - len(first)
        while missing and (chunk := stream.read(min(missing, CHUNK))):
            chunks.append(chunk)
            missing -= len(chunk)
    except OSError as error:
        raise BodyTooShort("the connection broke before the body's end") from error
    return b"".join(chunks)
