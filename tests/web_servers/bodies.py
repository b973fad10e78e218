"""Bodies and heads that are broken off, invalid, endless, pipelined, or that two servers read differently."""

import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.web_servers.servers import Server
from tests.web_servers.wire import chunks, exchange, head

CHUNKED: Final = b"Transfer-Encoding: chunked"
HELLO: Final = b"hello"
LONG: Final = bytes(range(256)) * 400
#: What the application must never be given: a request that hid in the body of another.
SMUGGLED_PATH: Final = "/smuggled"
SMUGGLED: Final = head(SMUGGLED_PATH, b"Content-Length: 0")
#: Of a case; `judge()` adds a mark to it, so that a late note is not taken for another case's.
PATH: Final = re.compile(rb"POST /([a-z]) ")


def length(number: int) -> bytes:
    return b"Content-Length: %d" % number


@dataclass(frozen=True)
class Case:
    """What is sent, and the bodies that an application may take of it, at most. `must`: it has to take them."""

    name: str
    data: bytes
    may: tuple[bytes, ...] = ()
    must: bool = False
    shut: bool = True
    reset: bool = False


def cases() -> Iterator[Case]:
    yield from whole()
    yield from broken_off()
    yield from invalid_chunks()
    yield from pipelined()
    yield from smuggling()


def whole() -> Iterator[Case]:
    yield Case("whole, with a length", head("/w", length(len(LONG))) + LONG, (LONG,), must=True, shut=False)
    yield Case("whole, in chunks", head("/w", CHUNKED) + chunks(HELLO, LONG), (HELLO + LONG,), must=True, shut=False)
    some = chunks(HELLO, extension=b";a=b")
    yield Case("whole, a chunk extension", head("/w", CHUNKED) + some, (HELLO,), must=True, shut=False)
    trailer = b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"
    yield Case("whole, a trailer", head("/w", CHUNKED) + trailer, (HELLO,), must=True, shut=False)
    long = chunks(*[b"x"] * 40, extension=b";a=" + b"b" * 500)
    yield Case("20 kB of chunk extensions", head("/w", CHUNKED) + long, (b"x" * 40,), shut=False)
    one = chunks(HELLO, extension=b";a=" + b"b" * 20_000)
    yield Case("one chunk extension of 20 kB", head("/w", CHUNKED) + one, (HELLO,), shut=False)


def broken_off() -> Iterator[Case]:
    parts = [
        ("a length, {} early", head("/b", length(10)) + HELLO, ()),
        ("in a chunk, {}", head("/b", CHUNKED) + b"5\r\nhello\r\n5\r\nhe", ()),
        ("between chunks, {}", head("/b", CHUNKED) + b"5\r\nhello\r\n", ()),
        ("before the last line, {}", head("/b", CHUNKED) + b"5\r\nhello\r\n0\r\n", (HELLO,)),
        ("in a chunk's size, {}", head("/b", CHUNKED) + b"5\r\nhello\r\n1", ()),
        ("after the head, {}", head("/b", CHUNKED), ()),
    ]
    for name, data, may in parts:
        yield Case(name.format("closed"), data, may)
        yield Case(name.format("reset"), data, may, shut=False, reset=True)


def invalid_chunks() -> Iterator[Case]:
    for size in (b"0x5", b"+5", b"-5", b"5_0", b"zz", b"", b"\xb25", b"5\x0b", b"f" * 17):
        data = b"3\r\nabc\r\n%s\r\nhello\r\n0\r\n\r\n" % size
        yield Case(f"size {size!r}", head("/i", CHUNKED) + data)
    yield Case("no CRLF after a chunk", head("/i", CHUNKED) + b"5\r\nhello5\r\nhello\r\n0\r\n\r\n")
    yield Case("another two bytes there", head("/i", CHUNKED) + b"5\r\nhelloXY0\r\n\r\n")
    yield Case("bare LF after a size", head("/i", CHUNKED) + b"5\nhello\r\n0\r\n\r\n", (HELLO,))


def pipelined() -> Iterator[Case]:
    first = head("/p", length(5)) + HELLO
    yield Case("two with lengths", first + head("/p", length(3)) + b"abc", (HELLO, b"abc"), shut=False)
    second = head("/p", CHUNKED) + chunks(b"abc")
    yield Case("a length, then chunks", first + second, (HELLO, b"abc"), shut=False)
    yield Case("chunks, then a length", second + first, (b"abc", HELLO), shut=False)
    yield Case("the second broken off", first + head("/p", length(9)) + b"abc", (HELLO,))
    yield Case("the second in chunks, broken off", first + head("/p", CHUNKED) + b"9\r\nabc", (HELLO,))


def smuggling() -> Iterator[Case]:
    hidden = b"0\r\n\r\n" + SMUGGLED
    yield Case("length, then chunked", head("/s", length(len(hidden)), CHUNKED) + hidden, (hidden, b""))
    yield Case("chunked, then length", head("/s", CHUNKED, length(len(hidden))) + hidden, (hidden, b""))
    yield Case("a short length, and chunks", head("/s", length(4), CHUNKED) + chunks(SMUGGLED), (SMUGGLED,))
    yield Case("two lengths", head("/s", length(5), length(0)) + HELLO + SMUGGLED)
    yield Case("two lengths in one", head("/s", b"Content-Length: 5, 0") + HELLO)
    for value in (b"+5", b"5_0", b"0x5", b"-5", b"5 5", b"\xb2"):
        yield Case(f"length {value!r}", head("/s", b"Content-Length: " + value) + HELLO)
    obfuscated = [
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: \x0bchunked",
        b"Transfer-Encoding: chunked\x00",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding: 'chunked'",
        b"Transfer-Encoding:\r\n chunked",
        b"X: y\r\n Transfer-Encoding: chunked",
        b"X: y\rTransfer-Encoding: chunked",
        b"X: y\nTransfer-Encoding: chunked",
        b"Transfer_Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    ]
    for header in obfuscated:
        yield Case(f"length and {header!r}", head("/s", length(len(hidden)), header) + hidden, (hidden,))
    yield Case("bare LF", head("/s", length(5), end=b"\n") + HELLO, (HELLO,))
    yield Case("chunked in HTTP/1.0", head("/s", CHUNKED, version=b"HTTP/1.0") + chunks(HELLO), (HELLO,))
    old = head("/s", length(len(hidden)), CHUNKED, version=b"HTTP/1.0")
    yield Case("both in HTTP/1.0", old + hidden, (hidden, b""))


def taken(server: Server, mark: str) -> list[tuple[str, int, str]]:
    """What the application has noted of the requests with this mark, or of smuggled ones: path, length, digest."""
    notes = map(json.loads, server.notes.read_text().splitlines())
    ours = [note for note in notes if note["path"].endswith((mark, SMUGGLED_PATH))]
    return [(note["path"], note["length"], note["sha256"]) for note in ours]


def judge(server: Server, port: int, case: Case) -> str:
    """ "" where all is well, else what was wrong."""
    server.notes.write_text("")
    mark = uuid.uuid4().hex
    data = PATH.sub(rb"POST /\1/%s " % mark.encode(), case.data)  # in heads alone: a body's length stays as it is
    answers = exchange(port, data, shut=case.shut, reset=case.reset)
    if case.reset:
        time.sleep(0.2)
    got = taken(server, mark)
    allowed = {(len(body), hashlib.sha256(body).hexdigest()) for body in case.may}
    if any(path == SMUGGLED_PATH for path, _, _ in got):
        return f"a request was smuggled (answers {answers})"
    wrong = [size for _, size, digest in got if (size, digest) not in allowed]
    if wrong:
        return f"taken as whole: {', '.join(f'{size} bytes' for size in wrong)} (answers {answers})"
    if case.must and len(got) < len(case.may):
        return f"refused (answers {answers})"
    return ""
