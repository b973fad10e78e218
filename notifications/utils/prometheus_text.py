"""Prometheus' text format 0.0.4: families with HELP and TYPE, and their samples."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final, NamedTuple

from notifications.utils.histogram import BOUNDS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: The format has these three escapes and no other: one that JSON has besides makes the whole page unreadable.
ESCAPED: Final = {"\\": r"\\", '"': r"\"", "\n": r"\n"}
TO_ESCAPE: Final = re.compile(r'[\\"\n]')
#: Every second bound: twice the one before. By its place among the sums, in seconds.
SECONDS: Final = tuple((place, f"{BOUNDS[place] / 1000:g}") for place in range(0, len(BOUNDS), 2))


class Family(NamedTuple):
    """What samples of one name have in common. `kind`: gauge, counter or histogram."""

    kind: str
    help: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """One line. `labels` is as `label_text` writes it."""

    family: str
    value: str | int
    labels: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        labels = f"{{{self.labels}}}" if self.labels else ""
        return f"{self.family}{self.suffix}{labels} {self.value}"


def sample(family: str, value: str | int, **labels: str) -> Sample:
    """A sample with these labels, in this order."""
    return Sample(family, value, label_text(labels))


def histogram(
    family: str, labels: Mapping[str, str], count: int, seconds: float | None, buckets: Iterable[int]
) -> Iterator[Sample]:
    """The samples of a histogram: `count` durations of together so many `seconds`, None if nobody added them up.

    `buckets` as in utils/histogram.py. Those that are in none, of which only the number is known, count as long.
    """
    text = label_text(labels)
    before = f"{text}," if text else ""
    sums = list(accumulate(buckets)) or [0]
    sums += [sums[-1]] * (len(BOUNDS) - len(sums))  # of a row that ends early, or was written with fewer bounds
    count = max(count, sums[-1])
    bounds = [*((bound, sums[place]) for place, bound in SECONDS), ("+Inf", count)]
    for bound, number in bounds:
        yield Sample(family, number, f'{before}le="{bound}"', "_bucket")
    if seconds is not None:
        yield Sample(family, f"{seconds:.6f}", text, "_sum")
    yield Sample(family, count, text, "_count")


def page(families: Mapping[str, Family], samples: Iterable[Sample]) -> str:
    """The text: each family that has samples, in the order of `families`. A sample that comes twice is written once."""
    found: dict[str, dict[Sample, None]] = {name: {} for name in families}
    for each in samples:
        found[each.family][each] = None
    return "".join(_family(name, families[name], rows) for name, rows in found.items() if rows)


def _family(name: str, family: Family, rows: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}", *map(str, rows)]
    return "\n".join(lines) + "\n"


def label_text(labels: Mapping[str, str]) -> str:
    """What goes between the braces."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    """Also without what could change a terminal, and without lone surrogates, which no answer can have."""
    if not value.isprintable():
        value = "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in value)
    return TO_ESCAPE.sub(lambda match: ESCAPED[match[0]], value)
