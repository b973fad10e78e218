"""A covering array: few rows in which each two values of two factors meet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, product

Row = dict[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]


def covering(factors: Mapping[str, Sequence[str]]) -> list[Row]:
    """Rows with a value for each factor. Always the same ones for the same factors."""
    missing = {pair for one, two in combinations(factors, 2) for pair in _pairs(factors, one, two)}
    rows: list[Row] = []
    while missing:
        row = dict(min(missing))
        for factor in sorted(factors.keys() - row.keys(), key=lambda name: (-len(factors[name]), name)):
            used = Counter(each[factor] for each in rows)  # where no pair is missing the rarest, for variety
            row[factor] = max(
                factors[factor], key=lambda value: (len(missing & _met(row | {factor: value})), -used[value])
            )
        rows.append(row)
        missing -= _met(row)
    return rows


def _pairs(factors: Mapping[str, Sequence[str]], one: str, two: str) -> set[Pair]:
    return {_pair((one, a), (two, b)) for a, b in product(factors[one], factors[two])}


def _met(row: Row) -> set[Pair]:
    return {_pair(one, two) for one, two in combinations(row.items(), 2)}


def _pair(one: tuple[str, str], two: tuple[str, str]) -> Pair:
    return (one, two) if one < two else (two, one)
