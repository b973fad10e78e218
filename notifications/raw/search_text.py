"""Finds a text in bytes, however it was written there: plain, escaped as in JSON, percent-encoded, in any mixture."""

import re
import unicodedata
from typing import Final

#: Shorter ones are in everything.
SHORTEST: Final = 3
#: A JSON text in a JSON text escapes its escapes again, a form has them percent-encoded.
BACKSLASH: Final = rb"(?:\\+|%5c)"
JSON_ESCAPES: Final = {"\b": b"b", "\t": b"t", "\n": b"n", "\f": b"f", "\r": b"r", '"': b'"', "\\": b"\\", "/": b"/"}


def pattern_of(text: str) -> re.Pattern[bytes]:
    """A pattern for all ways to write `text`. ASCII letters are found in either case.

    Raises ValueError for a text that is too short, or no text.
    """
    text = text.strip()
    if len(text) < SHORTEST:
        raise ValueError(f"write at least {SHORTEST} characters: shorter ones are in everything")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("this is no text: it has lone surrogates") from error
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
