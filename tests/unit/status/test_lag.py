"""How far channels are behind, counted in the journal itself."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from notifications.journal import Entry, Journal, Reader, journal_from_url
from notifications.models import Position
from notifications.positions.key import machine_id
from notifications.status import lag_counting
from notifications.status.lag import lags
from notifications.status.lag_counting import Lag
from tests.support.journald import JournaldNamespace
from tests.support.journals import exit_code, in_child, read_all, settle, write

pytestmark = pytest.mark.django_db

NOBODY: Final = 65534


@pytest.fixture(params=["file", "memory"])
def journal(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Journal:
    settings.NOTIFICATIONS_STATE_DIR = tmp_path
    url = {"file": f"file://{tmp_path}/journal", "memory": "memory://"}[request.param]
    journal = journal_from_url(url, tmp_path)
    clear = getattr(journal, "clear", None)
    if clear:
        clear()
    return journal


def tell(journal: Journal, name: str, *texts: str) -> None:
    for text in texts:
        write(journal, f"{name}: {text}", PROPPY_EVENT=name)


def entries(journal: Journal) -> list[Entry]:
    return read_all(journal.open(follow=False))


def position(journal: Journal, channel: str, at: Entry | None, suffix: str = "") -> Position:
    """The channel's, at an entry; None is before all of them."""
    time = datetime.fromtimestamp(at.time_us / 1e6, UTC) if at else None
    return Position.objects.create(
        machine=machine_id(),
        journal=journal.url + suffix,
        channel=channel,
        cursor=at.position if at else "",
        entry_time=time,
    )


def counts(*positions: Position, **options: Any) -> list[int | None]:
    found = lags(positions, **options)
    return [lag.events if (lag := found[each.pk]) else None for each in positions]


def test_counts_the_events_of_each_channel_after_its_own_position(journal: Journal) -> None:
    tell(journal, "SLACK", "a", "b")
    tell(journal, "REPORT", "x", "y")
    tell(journal, "SLACK", "c")
    tell(journal, "REPORT", "z")
    all_of_them = entries(journal)
    slack = position(journal, "SLACK", all_of_them[0])
    report = position(journal, "REPORT", all_of_them[3])
    new = position(journal, "OPS", None)
    behind = position(journal, "REPORT2", None)

    found = lags([slack, report, new, behind])

    assert found[slack.pk] == Lag(2, found[slack.pk].oldest)  # type: ignore[union-attr]
    assert found[report.pk] == Lag(1, found[report.pk].oldest)  # type: ignore[union-attr]
    assert found[new.pk] == found[behind.pk] == Lag()
    assert oldest(found[slack.pk]) == all_of_them[1].time_us
    assert oldest(found[report.pk]) == all_of_them[5].time_us


def oldest(lag: Lag | None) -> int:
    assert lag is not None
    assert lag.oldest is not None
    return round(lag.oldest.timestamp() * 1e6)


def test_nothing_waits_however_quiet_the_journal_was(journal: Journal) -> None:
    tell(journal, "SLACK", "a")
    tell(journal, "TICK", "still reading")
    at = entries(journal)[0]
    old = position(journal, "SLACK", at._replace(time_us=at.time_us - 10**12))
    assert lags([old]) == {old.pk: Lag()}


def test_positions_at_the_same_entry_are_read_once_and_no_piece_twice(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(journal, "SLACK", *"abcdefgh")
    at = entries(journal)
    seen: list[Entry] = []
    open_now: Any = type(journal).open

    def open_counting(self: Journal, **options: Any) -> Reader:
        reader: Reader = open_now(self, **options)
        read = reader.read

        def read_counting(limit: int) -> list[Entry]:
            found = read(limit)
            seen.extend(found)
            return found

        monkeypatch.setattr(reader, "read", read_counting)
        return reader

    monkeypatch.setattr(type(journal), "open", open_counting)
    monkeypatch.setattr(lag_counting, "CHUNK", 1)
    positions = [
        position(journal, "SLACK", at[1]),
        position(journal, "REPORT", at[1]),
        position(journal, "OPS", at[4]),
        position(journal, "LOST", at[6]),
    ]

    assert counts(*positions) == [6, 0, 0, 1]
    assert sorted(entry.position for entry in seen) == sorted(entry.position for entry in at[2:])


def test_the_accountant_wants_every_entry(journal: Journal) -> None:
    tell(journal, "SLACK", "a")
    tell(journal, "TICK", "b")
    assert counts(position(journal, "LOST", None)) == [2]


def test_plain_lines_are_counted_for_their_own_position(journal: Journal) -> None:
    tell(journal, "SLACK", "an event")
    journal.write(journal.encode({"MESSAGE": "SLACK: a plain line", "SYSLOG_IDENTIFIER": "proppy"}))
    journal.write(journal.encode({"MESSAGE": "SLACK: another", "SYSLOG_IDENTIFIER": "proppy"}))
    assert counts(position(journal, "SLACK", None), position(journal, "SLACK", None, "#text")) == [1, 2]


def test_beyond_its_bound_it_says_at_least_and_the_young_ones_are_exact(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag_counting, "MOST", 4)
    monkeypatch.setattr(lag_counting, "CHUNK", 2)
    tell(journal, "SLACK", *"abcdefgh")
    at = entries(journal)
    far, near = position(journal, "SLACK", None), position(journal, "SLACK2", at[6])
    tell(journal, "SLACK2", "i")

    found = lags([far, near])

    assert found[near.pk] == Lag(1, found[near.pk].oldest)  # type: ignore[union-attr]
    lag = found[far.pk]
    assert lag is not None
    assert lag.at_least
    assert 2 <= lag.events < 8


def test_no_time_at_all_is_at_least_nothing(journal: Journal) -> None:
    tell(journal, "SLACK", "a")
    here = position(journal, "SLACK", None)
    assert lags([here], seconds=0) == {here.pk: Lag(at_least=True)}


def test_a_clock_that_was_set_back_counts_nothing_twice(journal: Journal) -> None:
    tell(journal, "SLACK", *"abcd")
    at = entries(journal)
    later = at[0].time_us + 10**9
    first = position(journal, "SLACK", at[0]._replace(time_us=later))  # taken for the youngest
    second = position(journal, "SLACK2", at[2])
    tell(journal, "SLACK2", "e")
    assert counts(first, second) == [3, 1]


@pytest.mark.parametrize("journal", ["memory"], indirect=True)
def test_entries_that_were_removed_make_it_at_least(journal: Any) -> None:
    tell(journal, "SLACK", *"abc")
    here = position(journal, "SLACK", entries(journal)[0])
    journal.clear()
    tell(journal, "SLACK", "d")
    (lag,) = lags([here]).values()
    assert lag is not None
    assert (lag.events, lag.at_least) == (1, True)


@pytest.mark.parametrize("journal", ["memory"], indirect=True)
def test_a_journal_that_shows_nothing_at_all_is_no_journal_without_events(journal: Any) -> None:
    tell(journal, "SLACK", *"abc")
    here = position(journal, "SLACK", entries(journal)[0])
    journal.clear()
    assert lags([here]) == {here.pk: None}


def test_what_cannot_be_read_is_unknown_and_others_are_counted(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tell(journal, "SLACK", "a")
    monkeypatch.setenv("PATH", str(tmp_path))  # no journalctl
    machines = journal_from_url("journald://", tmp_path)
    odd = Position.objects.create(machine=machine_id(), journal="redis://", channel="SLACK")
    at = Entry("s=1;i=1", 1, {})
    positions = [position(journal, "SLACK", None), position(machines, "SLACK", at, "#text"), odd]
    assert counts(*positions) == [1, None, None]


def test_positions_of_other_machines_are_not_told(journal: Journal) -> None:
    other = Position.objects.create(machine="another", journal=journal.url, channel="SLACK")
    assert lags([other]) == {}


def test_root_cannot_count_what_another_user_tells(journal: Journal, tmp_path: Path, settings: Any) -> None:
    tell(journal, "SLACK", "a")
    here = position(journal, "SLACK", None)
    settings.NOTIFICATIONS_TRUSTED_UIDS = (os.getuid() + 1,)
    assert counts(here) == [None]


# A real journald


@pytest.fixture
def real(journald: JournaldNamespace, tmp_path: Path, settings: Any) -> Iterator[Journal]:
    settings.NOTIFICATIONS_STATE_DIR = tmp_path
    journal = journal_from_url(journald.url, tmp_path)
    yield journal
    journal.close()


@pytest.mark.services
def test_in_journald_also_after_rotation(real: Journal, journald: JournaldNamespace) -> None:
    tell(real, "SLACK", *"abc")
    settle(real)
    journald.rotate()
    tell(real, "SLACK", "d")
    settle(real)
    at = entries(real)
    positions = [position(real, "SLACK", at[0]), position(real, "SLACK2", None), position(real, "REPORT", at[3])]
    assert counts(*positions) == [3, 0, 0]


@pytest.mark.services
def test_in_a_vacuumed_journald(real: Journal, journald: JournaldNamespace) -> None:
    tell(real, "SLACK", *"abc")
    settle(real)
    here = position(real, "SLACK", entries(real)[0])
    journald.vacuum()
    tell(real, "SLACK", "d")
    settle(real)
    (lag,) = lags([here]).values()
    assert lag is not None
    assert (lag.events, lag.at_least) == (1, True)


@pytest.mark.services
def test_who_may_not_read_journald_is_told_nothing(real: Journal) -> None:
    tell(real, "SLACK", *"abc")
    settle(real)
    here = position(real, "SLACK", entries(real)[0])
    never_read = position(real, "REPORT", None)
    reader, writer = os.pipe()

    def look() -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.write(writer, repr(list(lags([here, never_read]).values())).encode())

    assert exit_code(in_child(look)) == 0
    assert os.read(reader, 100) == b"[None, None]"
    os.close(reader)
    os.close(writer)


@pytest.mark.services
def test_it_takes_no_longer_than_it_may(real: Journal) -> None:
    tell(real, "SLACK", *(["x" * 200] * 3000))
    settle(real)
    here = position(real, "SLACK", None)
    started = time.monotonic()
    (lag,) = lags([here], seconds=0.05).values()
    assert time.monotonic() - started < 5  # journalctl has to start, on a machine that may be busy
    assert lag is not None
    assert lag.events == 3000 or lag.at_least
