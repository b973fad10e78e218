"""What two cursors say about the entries between them."""

import pytest

from notifications.journal.journald.cursor import gap_between, parse_cursor


def cursor(number: int, *, of: str = "a1", time_us: int = 1_000_000) -> str:
    return f"s={of};i={number:x};b=b0;m=1;t={time_us:x};x=ff"


def test_the_position_itself_is_no_gap() -> None:
    assert gap_between(cursor(26), cursor(26)) is None


def test_the_next_number_is_no_gap() -> None:
    assert gap_between(cursor(26), cursor(27, time_us=2_000_000)) is None


def test_a_gap_says_how_many_and_when() -> None:
    gap = gap_between(cursor(26), cursor(300, time_us=2_000_000))
    assert gap is not None
    assert (gap.position, gap.count) == (cursor(26), 273)
    assert (gap.since_us, gap.until_us) == (1_000_000, 2_000_000)


@pytest.mark.parametrize(
    "first",
    [cursor(27, of="a2"), cursor(3), cursor(26, time_us=2_000_000), "s=a1", "s=a1;i=x", "i=1b"],
    ids=["other numbers", "lower number", "the number again", "no number", "no hexadecimal number", "no id"],
)
def test_numbers_that_do_not_follow_each_other_count_nothing(first: str) -> None:
    gap = gap_between(cursor(26), first)
    assert gap is not None
    assert gap.count is None
    assert gap.since_us == 1_000_000


def test_a_cursor_without_parts_has_none() -> None:
    assert parse_cursor("garbage") == ("", None, None)
