"""Bodies that break off, are invalid, or could be read in two ways, and what each has to be answered with."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.support.http2 import cut_post
from tests.web_servers.wire import chunks

CHUNKED: Final = {"Transfer-Encoding": "chunked"}


@dataclass(frozen=True, slots=True)
class BadBody:
    """`data` follows a head with these headers; None as headers: `data` is all that is sent.

    `taken`: what has to be stored of it; None: nothing. `end`: nothing more is sent after it.
    """

    name: str
    headers: Mapping[str, str] | None
    data: bytes
    status: int = 400
    taken: bytes | None = None
    end: bool = True


def bad_body(chance: random.Random) -> BadBody:
    """One of them, with bytes of its own."""
    return chance.choice(KINDS)(chance)


def _broken_off(chance: random.Random) -> BadBody:
    body = _some(chance)
    first = b"%x\r\n%b\r\n" % (len(body), body)
    places = {"in a chunk": first[:-9], "between chunks": first, "in a size line": first + b"1", "after the head": b""}
    place = chance.choice(list(places))
    return BadBody(f"broken off {place}", CHUNKED, places[place])


def _invalid_chunk(chance: random.Random) -> BadBody:
    good, bad = _some(chance), chance.choice([b"0x5", b"+5", b"-5", b"5_0", b"zz", b"", b"5\x0b"])
    data = b"%x\r\n%b\r\n%b\r\nhello\r\n0\r\n\r\n" % (len(good), good, bad)
    return BadBody("an invalid chunk", CHUNKED, data, end=chance.random() < 0.5)


def _too_large(chance: random.Random) -> BadBody:
    """More than will ever come: nothing waits for it."""
    if chance.random() < 0.5:
        return BadBody("a chunk of 17 digits", CHUNKED, b"f" * 17 + b"\r\n" + _some(chance), 413, end=False)
    fields = {f"X-{number}": chance.randbytes(500).hex() for number in range(70)}
    return BadBody("a head of 70 kB", fields, _some(chance), 431, end=False)


def _no_line_end(chance: random.Random) -> BadBody:
    body = _some(chance)
    data = b"%x\r\n%b%b5\r\nhello\r\n0\r\n\r\n" % (len(body), body, chance.choice([b"", b"XY"]))
    return BadBody("a chunk without CRLF", CHUNKED, data)


def _long_extensions(chance: random.Random) -> BadBody:
    parts = [_some(chance) for _ in range(40)]
    extension = b";a=" + chance.randbytes(300).hex().encode()
    return BadBody(
        "24 kB of chunk extensions", CHUNKED, chunks(*parts, extension=extension), 202, b"".join(parts), end=False
    )


def _both_lengths(chance: random.Random) -> BadBody:
    data = chunks(_some(chance))
    names = [("Content-Length", str(len(data))), ("Transfer-Encoding", "chunked")]
    return BadBody("both lengths", dict(chance.sample(names, k=2)), data)


def _underscore(chance: random.Random) -> BadBody:
    """The header means nothing, and must not switch off the check of the length."""
    body = _some(chance)
    right = chance.random() < 0.5
    headers = {"Transfer_Encoding": "chunked", "Content-Length": str(len(body) + (0 if right else 7))}
    if right:
        return BadBody("Transfer_Encoding, a right length", headers, body, 202, body, end=False)
    return BadBody("Transfer_Encoding, a length too long", headers, body)


def _http2(chance: random.Random) -> BadBody:
    return BadBody("HTTP/2, broken off", None, cut_post("/in/quick/", _some(chance)), end=chance.random() < 0.5)


def _some(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(20, 200))


KINDS: Final[list[Callable[[random.Random], BadBody]]] = [
    _broken_off,
    _invalid_chunk,
    _too_large,
    _no_line_end,
    _long_extensions,
    _both_lengths,
    _underscore,
    _http2,
]
