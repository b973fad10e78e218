"""Rows of the table, and how it is printed. A figure is the median of its rounds, with the lowest and the highest."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from tests.support.child import BASE_DIR

PAGE: Final = BASE_DIR / "docs" / "speed.md"
README: Final = BASE_DIR / "README.md"
IN_README: Final = re.compile(
    r"`emit\(\)`, 0|`capture\(\)`|`POST /in/<source>/` of the site, [\w ]+, gunicorn|`process_raw`"
)
NOTE: Final = (
    "A figure is the median of its rounds, with the lowest and the highest. What is reached in one round and missed in"
    " another counts as missed."
)
HEAD: Final = ("path", "held against", "reach", "measured", "", "the numbers behind it")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `rounds`: which of them reached it; none where it is only reported, or could not be measured here."""

    path: str
    limit: str
    reach: str
    measured: str
    rounds: tuple[bool, ...]
    numbers: str

    @property
    def reached(self) -> bool | None:
        """Whether each round reached it: what is reached in one round and missed in another counts as missed."""
        return all(self.rounds) if self.rounds else None


def at_most(path: str, limit: str, figures: Sequence[float], bound: float, numbers: str, unit: str = "x") -> Row:
    """Ratios of times, or times."""
    met = tuple(figure <= bound for figure in figures)
    return Row(path, limit, f"<= {bound:g} {unit}", spread(figures, unit), met, numbers)


def at_least(path: str, limit: str, figures: Sequence[float], bound: float, numbers: str, unit: str = "x") -> Row:
    """Ratios of rates, or rates."""
    met = tuple(figure >= bound for figure in figures)
    return Row(path, limit, f">= {bound:g} {unit}", spread(figures, unit), met, numbers)


def reported(path: str, limit: str, figures: Sequence[float], numbers: str, unit: str = "x") -> Row:
    """What is held against nothing."""
    return Row(path, limit, "(report)", spread(figures, unit), (), numbers)


def unmeasured(path: str, why: str) -> Row:
    """What this machine lacks, or what went wrong, instead of a figure."""
    return Row(path, "", "", "not measured", (), why)


def spread(figures: Sequence[float], unit: str) -> str:
    """The median, and the lowest and highest where there is more than one."""
    around = f" ({number(min(figures))} to {number(max(figures))})" if len(figures) > 1 else ""
    return f"{number(median(figures))} {unit}{around}"


def number(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def markdown(rows: Iterable[Row]) -> str:
    """The table, as a page of the documents has it."""
    lines = [HEAD, ("---",) * len(HEAD), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bullets(rows: Iterable[Row]) -> str:
    """Those that README has."""
    chosen = (row for row in rows if IN_README.match(row.path))
    return "".join(f"- {row.path}: {row.measured} against {row.limit}\n" for row in chosen)


def replace_table(page: Path, name: str, report: str) -> None:
    """Put a report into a page, between the comments that name it."""
    before, begin, rest = page.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition("<!-- end -->")
    if not end:
        raise ValueError(f"{page} has no <!-- {name} --> … <!-- end -->")
    page.write_text(f"{before}{begin}{report}{end}{after}")


def line(row: Row) -> str:
    """One row for the terminal."""
    return f"{row.path}: {row.measured} {row.reach} {_verdict(row)} ({row.numbers})"


def _cells(row: Row) -> tuple[str, ...]:
    return row.path, row.limit, row.reach, row.measured, _verdict(row), row.numbers


def _verdict(row: Row) -> str:
    missed = row.rounds.count(False)
    if not missed:
        return "reached" if row.rounds else ""
    return "**missed**" if missed == len(row.rounds) else f"**missed** in {missed} of {len(row.rounds)} rounds"
