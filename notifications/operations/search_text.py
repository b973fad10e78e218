"""Finds a text in bytes, however it is encoded: plain, escaped as in JSON, percent-encoded, in any mixture."""

import re
import unicodedata
from typing import Final

#: Shorter texts occur everywhere.
SHORTEST: Final = 3
#: JSON inside JSON escapes the backslashes again; a form percent-encodes them.
BACKSLASH: Final = rb"(?:\\+|%5c)"
JSON_ESCAPES: Final = {"\b": b"b", "\t": b"t", "\n": b"n", "\f": b"f", "\r": b"r", '"': b'"', "\\": b"\\", "/": b"/"}


def pattern_of(text: str) -> re.Pattern[bytes]:
    """A pattern for all encodings of `text`. ASCII letters match in either case.

    Raises ValueError if the text is too short or invalid.
    """
    text = text.strip()
    if len(text) < SHORTEST:
        raise ValueError(f"write at least {SHORTEST} characters: shorter texts occur everywhere")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("the text is invalid: it has lone surrogates") from error
    forms = dict.fromkeys([text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)])
    return re.compile(b"|".join(b"".join(map(_character, form)) for form in forms), re.IGNORECASE)


def _character(char: str) -> bytes:
    variants = {char.lower(), char.upper()} if char.isascii() and char.isalpha() else {char}
    ways = [re.escape(char.encode())]
    for variant in sorted(variants):
        ways.append(b"".join(b"%%%02x" % byte for byte in variant.encode()))
        units = variant.encode("utf-16-be")
        escapes = [b"u%04x" % int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
        ways.append(b"".join(BACKSLASH + escape for escape in escapes))
    if char in JSON_ESCAPES:
        ways.append(BACKSLASH + re.escape(JSON_ESCAPES[char]))
    if char == " ":
        ways.append(rb"\+")
    return b"(?:" + b"|".join(ways) + b")"
