"""A stored body laid out for people. Pure functions: bytes in, text out.

Only the layout changes: numbers, repeated keys and escapes stay as they came. Characters that hide or reorder text
are shown as code points. The caller must still escape the text for HTML.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote_plus

from django.utils.http import parse_header_parameters

from notifications.admin.lists.json_layout import indent_json

#: Bytes of a body to lay out, at most.
LIMIT: Final = 64 * 1024
LONGEST_TABLE: Final = 1000
MOST_PARTS: Final = 100
#: Bytes of a multipart part to show: as text, or in hex.
PREVIEW_TEXT: Final = 1000
PREVIEW_HEX: Final = 256
#: Control characters, except tab, line feed and carriage return.
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
#: CONTROL, bidirectional controls (UAX #9), invisible characters, lone surrogates and Unicode's tags.
UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
ASCII: Final = bytes(code if 0x20 <= code < 0x7F else ord(".") for code in range(256))


class Part(NamedTuple):
    """One part of a multipart body. If it was cut, it is not `whole`, and `size` counts what is left.

    The preview of a `binary` part is in hex.
    """

    name: str
    filename: str
    content_type: str
    size: int
    whole: bool
    preview: str
    binary: bool


@dataclass(frozen=True, slots=True)
class BodyView:
    """What to show: `pairs` of a form, `parts` of a multipart body, else `text`. `cut`: there is more than this."""

    kind: Literal["empty", "json", "form", "multipart", "text", "hex"]
    text: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    parts: tuple[Part, ...] = ()
    cut: bool = False


def view_body(start: bytes, content_type: str, size: int) -> BodyView:
    """Lay out a body of `size` bytes, of which `start` is known. Never raises."""
    start = start[:LIMIT]
    cut = size > len(start)
    if not start:
        return BodyView("empty", cut=cut)
    main, parameters = _header(content_type)
    if main.startswith("multipart/") and (parts := _multipart(start, parameters.get("boundary", ""), cut=cut)):
        return BodyView("multipart", parts=parts[:MOST_PARTS], cut=cut or len(parts) > MOST_PARTS)
    text = _plain_text(start, cut=cut)
    if text is None:
        return BodyView("hex", hexdump(start), cut=cut)
    if not cut and (indented := _json(text, main)):
        return BodyView("json", visible(indented))
    if main == "application/x-www-form-urlencoded":
        pairs = tuple(_form(text))
        return BodyView("form", pairs=pairs[:LONGEST_TABLE], cut=cut or len(pairs) > LONGEST_TABLE)
    return BodyView("text", visible(text), cut=cut)


def visible(text: str) -> str:
    """The text with characters that hide or reorder text written as \\u202e and the like."""
    return UNSEEN.sub(_code_point, text)


def hexdump(data: bytes) -> str:
    """Lines of offset, 16 bytes in hex and in ASCII."""
    rows = ((offset, data[offset : offset + 16]) for offset in range(0, len(data), 16))
    return "\n".join(f"{offset:08x}  {row.hex(' '):<47}  {row.translate(ASCII).decode()}" for offset, row in rows)


def _code_point(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _header(value: str) -> tuple[str, dict[str, str]]:
    try:
        main, parameters = parse_header_parameters(value)
    except (ValueError, LookupError):  # an unknown encoding
        return "", {}
    return main, parameters


def _plain_text(data: bytes, *, cut: bool) -> str | None:
    """The text, if it is UTF-8 without control characters; a character cut in two is left out."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data, final=not cut)
    except UnicodeDecodeError:
        return None
    return None if CONTROL.search(text) else text


def _json(text: str, main: str) -> str | None:
    """The text indented, if it is JSON. Senders mislabel it (curl calls it a form), so its first character decides."""
    labelled = main == "application/json" or main.endswith("+json")
    if not labelled and not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return indent_json(text)
    except (ValueError, RecursionError):
        return None


def _form(text: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, text.split("&", LONGEST_TABLE + 1)[: LONGEST_TABLE + 1]):
        name, _, value = pair.partition("=")
        yield visible(unquote_plus(name)), visible(unquote_plus(value))


def _multipart(body: bytes, boundary: str, *, cut: bool) -> tuple[Part, ...]:
    """Up to MOST_PARTS + 1 parts; none if the boundary does not occur."""
    if not boundary:
        return ()
    delimiter = b"\r\n--" + boundary.encode("utf-8", "replace")
    pieces = (b"\r\n" + body).split(delimiter, MOST_PARTS + 2)[1 : MOST_PARTS + 2]
    inner = [piece for piece in pieces if not piece.startswith(b"--")]
    return tuple(_part(piece, whole=not cut or piece is not pieces[-1]) for piece in inner)


def _part(piece: bytes, *, whole: bool) -> Part:
    head, _, content = piece.partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n"))
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    _, disposition = _header(headers.get("content-disposition", ""))
    start = content[:PREVIEW_TEXT]
    text = _plain_text(start, cut=not whole or len(content) > len(start))
    return Part(
        name=visible(disposition.get("name", "")),
        filename=visible(disposition.get("filename", "")),
        content_type=visible(headers.get("content-type", "")),
        size=len(content),
        whole=whole,
        preview=hexdump(content[:PREVIEW_HEX]) if text is None else visible(text),
        binary=text is None,
    )
