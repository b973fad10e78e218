"""What the head of a request says of its body's length, and what of that is refused."""

from collections.abc import Mapping
from typing import Any

from notifications.errors import BadRequest, BodyTooLarge, LengthRequired


def announced_length(meta: Mapping[str, Any], limit: int, *, tells_cut_chunks: bool) -> int | None:
    """The Content-Length; None if there is none, and the body ends where the web server says.

    `tells_cut_chunks`: whether that server can tell. Raises BodyTooLarge, LengthRequired, BadRequest.
    """
    length, coding = meta.get("CONTENT_LENGTH", ""), meta.get("HTTP_TRANSFER_ENCODING")
    if length and coding is not None:  # servers differ in which of them counts (RFC 9112)
        raise BadRequest("send a Content-Length or a Transfer-Encoding, not both")
    if length:
        return _parse_length(length, limit)
    if (coding is not None and coding.lower() != "chunked") or not tells_cut_chunks:
        raise LengthRequired("send a Content-Length: without one, empty, whole and cut bodies look alike here")
    return None  # without length and chunks the body is empty (RFC 9112, 6.3)


def check_size(size: int, limit: int) -> None:
    """Raise BodyTooLarge for a body of more than `limit` bytes."""
    if size > limit:
        raise BodyTooLarge(f"the body is larger than {limit} bytes")


def _parse_length(length: str, limit: int) -> int:
    if not (length.isascii() and length.isdigit()):
        raise BadRequest("Content-Length is not a number")
    if len(length) > len(str(limit)) + 10:
        raise BodyTooLarge(f"the body is larger than {limit} bytes")
    check_size(int(length), limit)
    return int(length)
