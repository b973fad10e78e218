"""What journalctl -o export prints, in any chunks, gives what was written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.journal.base import decode
from notifications.journal.journald.export_format import LARGEST, ExportBuffer
from tests.support.memory import peak_of

KEYS = st.sampled_from(["MESSAGE", "PROPPY_EVENT", "_UID", "A", "__CURSOR"])
VALUES = st.binary(max_size=40) | st.sampled_from(
    [b"", b"\n", b"\n\n", b"=", b"A=b\n\nB=c\n", b"\x1b[31m", b"\xff", b"a=b"]
)


def export(fields: list[tuple[str, bytes]], *, binary: bool | None = None) -> bytes:
    """As systemd writes it; `binary=None`: where it must be."""
    lines = []
    for key, value in fields:
        text = not binary and b"\n" not in value and decode(value).isprintable()
        length = len(value).to_bytes(8, "little")
        lines.append(key.encode() + (b"=" + value if text else b"\n" + length + value) + b"\n")
    return b"".join(lines) + b"\n"


def read(data: bytes, sizes: list[int]) -> tuple[list[dict[str, Any]], int]:
    buffer, found, oversized = ExportBuffer(), [], 0
    while data:
        size = sizes.pop() if sizes else len(data)
        buffer.feed(data[:size])
        data = data[size:]
        while (fields := buffer.pop()) is not None:
            found.append(fields)
        oversized += buffer.take_oversized()
    return found, oversized


def expected(fields: list[tuple[str, bytes]]) -> dict[str, Any]:
    values: dict[str, list[str]] = {}
    for key, value in fields:
        values.setdefault(key, []).append(decode(value))
    return {key: each if len(each) > 1 else each[0] for key, each in values.items()}


@given(st.lists(st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=5), max_size=5), st.lists(st.integers(1, 50)))
def test_any_entries_in_any_chunks(entries: list[list[tuple[str, bytes]]], sizes: list[int]) -> None:
    data = b"".join(export(fields) for fields in entries)
    assert read(data, sizes) == ([expected(fields) for fields in entries], 0)


@pytest.mark.parametrize("chunk", [30_000, 64 * 1024, 10 * LARGEST])
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("value", [b"x" * (LARGEST + 1), b"=\n\n" * LARGEST, b"\xff" * (3 * LARGEST)])
def test_what_is_too_large_is_passed_over_and_counted(value: bytes, binary: bool, chunk: int) -> None:
    small = [("MESSAGE", b"small"), ("A", b"\n\n")]
    large = [("A", b"first"), ("MESSAGE", value), ("B", b"=\nlast"), ("C", b"last")]
    data = export(small) + export(large, binary=binary or None) + export(small) + export(large) + export(small)
    assert read(data, [chunk] * (len(data) // chunk + 1)) == ([expected(small)] * 3, 2)


def test_memory_is_bounded_while_it_is_passed_over() -> None:
    def feed() -> None:
        buffer.feed(b"MESSAGE=")
        for _ in range(100):
            buffer.feed(b"x" * 100_000)

    buffer = ExportBuffer()
    assert peak_of(feed) < 4 * LARGEST
    buffer.feed(b"\n\nA=b\n\n")
    assert (buffer.pop(), buffer.take_oversized()) == ({"A": "b"}, 1)


def test_the_largest_is_taken() -> None:
    value = b"x" * (LARGEST - 100)
    assert read(export([("A", value)]), [10_000] * 110) == ([{"A": decode(value)}], 0)
