"""Retry-After: a number or a date, of a server whose clock may differ."""

import time
from email.utils import formatdate
from typing import Final

import pytest

from notifications.channels import Unavailable
from notifications.http.retry_after import LONGEST, asked

NOON: Final = "Fri, 01 May 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("said", "seconds"), [(None, None), (5, 5), (-1.0, 0.0), (float("inf"), LONGEST), (float("nan"), 1.0)]
)
def test_any_channel_may_ask_for_a_year_at_most(said: float | None, seconds: float | None) -> None:
    assert Unavailable("later", retry_after=said).retry_after == seconds


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 01 May 2026 12:02:00 GMT",
        "Fri, 1 May 2026 12:02:00 GMT",
        "Friday, 01-May-26 12:02:00 GMT",
        "Fri May  1 12:02:00 2026",
        "Fri, 01 May 2026 12:02:00 -0000",
        "Fri, 01 May 2026 12:02:00 +0000",
        "Fri, 01 May 2026 12:02:00 UTC",
        "Fri, 01 May 2026 14:02:00 +0200",
        " fri, 01 may 2026 12:02:00 gmt ",
    ],
)
def test_a_date_counts_from_the_servers_own_clock(date: str) -> None:
    assert asked({"Retry-After": date, "Date": NOON}) == 120
    assert asked({"retry-after": date, "DATE": NOON}) == 120


def test_a_date_without_a_clock_beside_it_counts_from_ours() -> None:
    for now in ("", "soon"):
        assert asked({"Retry-After": formatdate(time.time() + 3600), "Date": now}) == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    "value",
    [
        *("", "-5", "nan", "inf", "1e9", "9" * 5000, "9" * 60, "²", "soon", "May", "0 0 0 0 0"),
        *("Sun, 99 Dec 2026 08:49:37 GMT", "12 Nov 99999999999 10:10:10 +9999999999", "Sun, 06 Dec 2026 99:99:99 GMT"),
    ],
)
def test_what_is_neither_asks_for_nothing(value: str) -> None:
    assert asked({"Retry-After": value, "Date": NOON}) is None
    assert asked({"Retry-After": "30", "Date": value}) == 30


def test_nothing_asked() -> None:
    assert asked({"Date": NOON}) is None
