"""Numbers as people read them."""

import pytest
from django.utils.translation import override

from notifications.admin.status.wording import count, fraction, milliseconds


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.04, "0.04"), (0.999, "1"), (1.99, "2"), (3.24, "3.2"), (9.96, "10"), (37.6, "38")]
)
def test_a_fraction_is_rounded(value: float, text: str) -> None:
    assert fraction(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(3.96, "4.0"), (9.97, "10"), (12.7, "13"), (1999.7, "2,000"), (312, "312"), (12_345, "12,345")]
)
def test_a_count_is_rounded(value: float, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4, "under 1 ms"), (999.4, "999 ms"), (999.7, "1.0 s"), (1990, "2.0 s"), (9_970, "10 s"), (59_900, "60 s")],
)
def test_a_time_is_rounded(value: float, text: str) -> None:
    assert milliseconds(value) == text


def test_each_language_has_its_own_numbers() -> None:
    """What was written in one is not shown in another."""
    found = []
    for language in ("en", "de", "en"):
        with override(language):
            found.append((count(12_345), count(3.96)))
    assert found == [("12,345", "4.0"), ("12.345", "4,0"), ("12,345", "4.0")]
