"""Rows of the table, and how it is printed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HEAD: Final = ("path", "held against", "reach", "measured", "", "the numbers behind it")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `reached` is None where it is only reported, or could not be measured here."""

    path: str
    limit: str
    reach: str
    measured: str
    reached: bool | None
    numbers: str


def at_most(path: str, limit: str, ratio: float, bound: float, numbers: str) -> Row:
    """A ratio of times."""
    return Row(path, limit, f"<= {bound:g} x", f"{ratio:.3g} x", ratio <= bound, numbers)


def at_least(path: str, limit: str, ratio: float, bound: float, numbers: str) -> Row:
    """A ratio of rates."""
    return Row(path, limit, f">= {bound:.2f} x", f"{ratio:.3g} x", ratio >= bound, numbers)


def reported(path: str, limit: str, ratio: float, numbers: str) -> Row:
    """A ratio that is held against nothing."""
    return Row(path, limit, "(report)", f"{ratio:.3g} x", None, numbers)


def unmeasured(path: str, why: str) -> Row:
    """What this machine lacks, or what went wrong, instead of a figure."""
    return Row(path, "", "", "not measured", None, why)


def markdown(rows: Iterable[Row]) -> str:
    """The table, as a README has it."""
    lines = [HEAD, ("---",) * len(HEAD), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def line(row: Row) -> str:
    """One row for the terminal."""
    return f"{row.path}: {row.measured} {row.reach} {_verdict(row)} ({row.numbers})"


def _cells(row: Row) -> tuple[str, ...]:
    return row.path, row.limit, row.reach, row.measured, _verdict(row), row.numbers


def _verdict(row: Row) -> str:
    return "" if row.reached is None else "reached" if row.reached else "**missed**"
