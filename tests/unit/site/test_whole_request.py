"""Whether all of a request has come, however it is cut into pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proppy.whole_request import State, WholeRequest

HEAD = b"POST /in/x/ HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = {
    "no body": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a length": HEAD + b"Content-Length: 5\r\n\r\nhello",
    "a length of nothing": HEAD + b"content-length:0\r\n\r\n",
    "empty lines first": b"\r\n\r\n" + HEAD + b"Content-Length: 5\r\n\r\nhello",
    "bare LF": b"POST / HTTP/1.1\nContent-Length: 5\n\nhello",
    "chunks": CHUNKED + b"5\r\nhello\r\n3;a=b\r\n\r\n0\r\n0\r\n\r\n",
    "no chunks": CHUNKED + b"0\r\n\r\n",
    "a chunk that looks like the last one": CHUNKED + b"7\r\n\r\n0\r\n\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "a length that begins with zeros": HEAD + b"Content-Length: 0000000000000000005\r\n\r\nhello",
    "a size that begins with zeros": CHUNKED + b"0000000000000000005\r\nhello\r\n0\r\n\r\n",
    "a trailer": CHUNKED + b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
}
#: gunicorn is to say what is wrong with them.
HOPELESS = {
    "a size that is none": CHUNKED + b"5\r\nhello\r\nzz\r\n",
    "no end after a chunk": CHUNKED + b"5\r\nhelloXY5\r\n",
    "an endless line of a chunk": CHUNKED + b"5;" + b"x" * 10_000,
    "an endless head": HEAD + b"X: " + b"x" * 70_000,
    "a head of 70 kB": HEAD + b"X: x\r\n" * 12_000 + b"Content-Length: 1\r\n\r\nx",
    "a length that is none": HEAD + b"Content-Length: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\n",
}


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)]


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
@given(cuts=st.lists(st.integers(0, 1000), max_size=8))
def test_it_is_whole_with_its_last_byte(data: bytes, cuts: list[int]) -> None:
    request = WholeRequest(1000)
    *first, last = pieces(data, cuts)
    assert [request.feed(piece) for piece in first] == [State.MORE] * len(first)
    assert request.feed(last) is State.WHOLE
    assert bytes(request.data) == data


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_byte_by_byte(data: bytes) -> None:
    request = WholeRequest(1000)
    assert [request.feed(bytes([byte])) for byte in data] == [State.MORE] * (len(data) - 1) + [State.WHOLE]


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_what_follows_does_not_matter(data: bytes) -> None:
    assert WholeRequest(1000).feed(data + data[:20]) is State.WHOLE


@pytest.mark.parametrize("data", HOPELESS.values(), ids=HOPELESS)
def test_what_more_bytes_would_not_mend_waits_for_none(data: bytes) -> None:
    assert WholeRequest(1000).feed(data) in {State.INVALID, State.HEAD_TOO_LARGE, State.WHOLE}


TOO_LARGE = {
    "it says": HEAD + b"Content-Length: 1001\r\n\r\n",
    "it says, by far": HEAD + b"Content-Length: " + b"9" * 18 + b"\r\n\r\n",
    "it says, with more digits than a number has": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "one chunk of many digits, it says": CHUNKED + b"f" * 40 + b"\r\n",
    "one chunk, it says": CHUNKED + b"fffff\r\n",
    "many chunks": CHUNKED + b"1\r\nx\r\n" * 200,
    "many trailers": CHUNKED + b"0\r\n" + b"X: y\r\n" * 200,
}


@pytest.mark.parametrize("data", TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_is_too_large_is_not_waited_for(data: bytes) -> None:
    request = WholeRequest(1000)
    assert request.feed(data[:-1]) in {State.MORE, State.TOO_LARGE}
    assert request.feed(data[-1:]) is State.TOO_LARGE


@given(data=st.binary(max_size=300), body=st.binary(max_size=300))
def test_any_bytes_are_taken(data: bytes, body: bytes) -> None:
    for bytes_ in (data, CHUNKED + data, HEAD + data + b"\r\n\r\n" + body):
        request = WholeRequest(1000)
        for byte in bytes_:
            request.feed(bytes([byte]))
        assert bytes(request.data) == bytes_


def test_a_client_that_waits_to_be_asked_for_its_body() -> None:
    request = WholeRequest(1000)
    assert request.feed(HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n") is State.MORE
    assert request.waits
    other = WholeRequest(1000)
    other.feed(HEAD + b"X-Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert not other.waits
