"""Which files are missing, by the numbers of the others."""

from pathlib import Path

import pytest

from notifications.journal import Gap
from notifications.journal.journald.archived_files import JournalFile, Listing, parse_headers
from notifications.journal.journald.cursor import Cursor, gap_between, parse_cursor, with_number
from notifications.journal.journald.missing_files import missing_after, removed_by_damage

ID, OTHER = "a" * 32, "b" * 32
FOLDER = Path("/var/log/journal/id.proppy")


def name_of(head: int, series: str = ID) -> str:
    return f"system@{series}-{head:016x}-{head * 10:016x}.journal"


def file(head: int, tail: int, series: str = ID, name: str = "") -> JournalFile:
    """Each entry is ten microseconds younger than the one before."""
    return JournalFile(FOLDER / (name or name_of(head, series)), series, head, tail, head * 10, tail * 10, not name)


def listing(*files: JournalFile, ignored: tuple[str, ...] = (), forbidden: bool = False) -> Listing:
    return Listing(list(files), [FOLDER / name for name in ignored], forbidden)


def at(number: int, series: str = ID) -> Cursor:
    return Cursor(series, number, number * 10)


def gaps(listing: Listing, after: Cursor | None) -> list[tuple[str, int | None, int | None]]:
    return [(each.gap.reason, each.gap.since_us, each.gap.until_us) for each in missing_after(listing, after)]


@pytest.mark.parametrize("after", [None, at(5), at(20), at(35), at(99), at(5, OTHER)])
def test_a_series_without_holes(after: Cursor | None) -> None:
    assert gaps(listing(file(31, 40, name="system.journal"), file(1, 20), file(21, 30)), after) == []


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (None, [("an archived file is missing (10 entries, of events and others)", 200, 310)]),
        (at(5), [("an archived file is missing (10 entries, of events and others)", 200, 310)]),
        (at(20), [("an archived file is missing (10 entries, of events and others)", 200, 310)]),
        (at(31), []),
    ],
)
def test_a_file_that_is_missing(after: Cursor | None, found: list[object]) -> None:
    assert gaps(listing(file(1, 20), file(31, 40)), after) == found


def test_a_file_that_cannot_be_opened_is_named() -> None:
    seen = gaps(listing(file(1, 20), file(31, 40), ignored=(name_of(21),)), at(5))
    assert seen == [(f"journalctl cannot read {name_of(21)} (10 entries, of events and others)", 200, 310)]


def test_one_at_the_end_of_its_series() -> None:
    seen = gaps(listing(file(1, 20), file(1, 9, OTHER), ignored=(name_of(21),)), at(5))
    assert seen == [(f"journalctl cannot read {name_of(21)}", 210, None)]
    assert gaps(listing(file(1, 20), ignored=(name_of(21),)), at(25)) == []


def test_a_single_number_may_be_lost_without_a_file() -> None:
    assert gaps(listing(file(1, 20), file(22, 30)), at(5)) == []


def test_the_oldest_files_are_removed_by_journald() -> None:
    assert gaps(listing(file(21, 30), file(31, 40)), at(25)) == []
    assert gaps(listing(file(21, 30), file(31, 40)), None) == []


def test_numbers_that_another_series_has_taken() -> None:
    assert gaps(listing(file(1, 20), file(31, 40), file(15, 35, OTHER)), at(5)) == []
    older = file(21, 30, OTHER)._replace(head_us=1, tail_us=2)  # of another boot, which began at 1 again
    assert len(gaps(listing(file(1, 20), file(31, 40), older), at(5))) == 1


def test_where_files_may_not_be_read_nobody_knows() -> None:
    assert gaps(listing(file(1, 20), file(31, 40), forbidden=True), at(5)) == []


def test_a_position_that_is_gone_though_older_files_are_there() -> None:
    gap = Gap("x", "removed", 7)
    damaged = removed_by_damage(gap, listing(file(1, 20), file(31, 40)), at(25))
    assert damaged.count is None
    assert "damaged or missing (7 entries" in damaged.reason
    assert removed_by_damage(gap, listing(file(31, 40)), at(25)) is gap


HEADERS = """\
File path: /var/log/journal/id.proppy/system@0006615aa7d99f27-41744729bdd85aff.journal~
File ID: e580db254fea48d4918c3647fa0f5f6e
Sequential number ID: 09ce1c9e5fdd424aa1a40d2238827e2d
State: ONLINE
Head sequential number: 6005 (1775)
Tail sequential number: 6005 (1775)
Head realtime timestamp: Sat 2026-11-28 18:50:51 UTC (6615aa7d91e1f)
Tail realtime timestamp: Sat 2026-11-28 18:50:51 UTC (6615aa7d91e1f)
Entry objects: 1

File path: /var/log/journal/id.proppy/system@09ce-1776-6615.journal
Sequential number ID: 09ce1c9e5fdd424aa1a40d2238827e2d
State: ARCHIVED
Head sequential number: 6006 (1776)
Tail sequential number: 8007 (1f47)
Head realtime timestamp: Sat 2026-11-28 18:50:51 UTC (6615aa7d9bbbe)
Tail realtime timestamp: Sat 2026-11-28 18:50:52 UTC (6615aa7ea9bd2)
"""


def test_what_journalctl_prints_of_files() -> None:
    """Of systemd 257; 252 prints the same."""
    first, second = parse_headers(HEADERS)
    assert (first.id, first.head, first.tail, first.is_archived) == (
        "09ce1c9e5fdd424aa1a40d2238827e2d",
        6005,
        6005,
        False,
    )
    assert (second.head, second.tail, second.is_archived) == (6006, 8007, True)
    assert (second.head_us, second.tail_us) == (0x6615AA7D9BBBE, 0x6615AA7EA9BD2)
    assert parse_headers("") == []


def test_a_cursor_with_another_number() -> None:
    cursor = "s=a1;i=1a;b=b0;m=1;t=f4240;x=ff"
    assert with_number(cursor, 27) == "s=a1;i=1b;b=b0;m=1;t=f4240"
    assert gap_between(cursor, with_number(cursor, 27)) is None
    assert parse_cursor(with_number(cursor, 27)).number == 27
