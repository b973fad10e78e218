"""Which lines of two texts differ, and where in the line. The work is bounded, whatever is compared."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final, NamedTuple

#: Lines of each text to compare, and characters of a line to show.
MOST_LINES: Final = 300
LONGEST: Final = 500
#: Equal lines to show before and after a difference.
CONTEXT: Final = 3


class Text(NamedTuple):
    """A line: what is equal at its start, what differs, what is equal at its end."""

    start: str
    differs: str = ""
    end: str = ""


class Row(NamedTuple):
    """Two lines side by side; None where one has no such line. `kind`: "same", "changed", "left", "right" or "gap".

    In a gap `skipped` says how many equal lines are left out.
    """

    kind: str
    left: Text | None = None
    right: Text | None = None
    skipped: int = 0


def compared(left: Sequence[str], right: Sequence[str]) -> list[Row]:
    """The rows of a table; only MOST_LINES of each text are looked at."""
    first, second = left[:MOST_LINES], right[:MOST_LINES]
    rows: list[Row] = []
    codes = SequenceMatcher(None, first, second).get_opcodes()
    for tag, start, end, other, other_end in codes:
        if tag == "equal":
            rows += _equal(first[start:end], is_first=not start, is_last=end == len(first) and other_end == len(second))
        else:
            rows += _different(first[start:end], second[other:other_end])
    left_out = max(len(left), len(right)) - MOST_LINES
    return [*rows, Row("cut", skipped=left_out)] if left_out > 0 else rows


def _equal(lines: Sequence[str], *, is_first: bool, is_last: bool) -> Iterator[Row]:
    before, after = 0 if is_first else CONTEXT, 0 if is_last else CONTEXT
    skipped = len(lines) - before - after
    if is_first and is_last:  # nothing differs
        before, skipped = len(lines), 0
    if skipped <= 1:
        before, skipped = len(lines), 0
    for number, line in enumerate(lines):
        if number == before:
            yield Row("gap", skipped=skipped)
        if number < before or number >= before + skipped:
            yield Row("same", Text(_cut(line)), Text(_cut(line)))


def _different(left: Sequence[str], right: Sequence[str]) -> Iterator[Row]:
    for one, other in zip_longest(left, right):
        if one is None:
            yield Row("right", None, _whole(_cut(other)))
        elif other is None:
            yield Row("left", _whole(_cut(one)), None)
        else:
            yield Row("changed", *_changed(_cut(one), _cut(other)))


def _whole(line: str) -> Text:
    """All of it differs, but its indentation is not marked."""
    start = len(line) - len(line.lstrip())
    return Text(line[:start], line[start:])


def _changed(one: str, other: str) -> tuple[Text, Text]:
    """Only common starts and ends are looked for: that takes no time, also for hostile lines."""
    start = _common(one, other)
    end = min(_common(one[::-1], other[::-1]), min(len(one), len(other)) - start)
    return _split(one, start, end), _split(other, start, end)


def _common(one: str, other: str) -> int:
    """How many characters are equal at the start."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _split(line: str, start: int, end: int) -> Text:
    stop = len(line) - end
    return Text(line[:start], line[start:stop], line[stop:])


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
