"""A request of HTTP/2 with prior knowledge whose body breaks off (RFC 9113, 3.3), as bytes."""

from typing import Final

#: The first bytes of a connection (3.4), and an empty SETTINGS frame.
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
DATA, HEADERS, END_HEADERS, STREAM = 0, 1, 4, 1


def cut_post(path: str, body: bytes) -> bytes:
    """All that is sent: a POST to localhost, and a part of its body. No frame says that the body has ended."""
    # POST, http, the path, localhost: HPACK without Huffman coding or dynamic table (RFC 7541, 6.2.2).
    headers = b"\x83\x86\x04%c%b\x01\x09localhost" % (len(path), path.encode())
    return PREFACE + _frame(HEADERS, END_HEADERS, headers) + _frame(DATA, 0, body)


def _frame(kind: int, flags: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + STREAM.to_bytes(4, "big") + payload
