"""What an intake takes as bytes over a socket, whatever the web server."""

from notifications.models import RawPayload
from tests.support.raw_wire import CHUNKED, CONTENT_TYPES, Wire, bodies, chunks, length


def takes_bodies(wire: Wire) -> None:
    every_byte = bytes(range(256)) * 300
    assert wire.post(length(len(every_byte)), every_byte) == 202
    assert wire.post(length(0)) == 202
    assert wire.post(CHUNKED, chunks(b"one", b"two\0\xff", every_byte)) == 202
    assert wire.post(CHUNKED, chunks()) == 202
    assert wire.post(b"") == 202
    assert wire.post(length(6), [bytes([byte]) for byte in b"slowly"]) == 202
    assert wire.post(CHUNKED, [bytes([byte]) for byte in chunks(b"slow", b"ly")]) == 202
    assert wire.post(length(1) + b"X-Odd: \xff\xfe\r\n", b"x", path=b"/in/posted/?a=%00&b=%FF") == 202
    assert bodies() == [every_byte, b"", b"onetwo\0\xff" + every_byte, b"", b"", b"slowly", b"slowly", b"x"]


def stores_any_content_type(wire: Wire) -> None:
    for content_type in CONTENT_TYPES:
        assert wire.post(length(1) + b"Content-Type: %s\r\n" % content_type, b"x") == 202
    stored = RawPayload.objects.order_by("pk").values_list("content_type", flat=True)
    assert [text.encode("latin-1") for text in stored] == CONTENT_TYPES
