"""What every journal promises, held against all three of them."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from notifications.journal import (
    EntryTooLarge,
    FileJournal,
    Journal,
    MemoryJournal,
    as_text,
    journal_from_url,
)
from tests.support.journals import (
    EACH_JOURNAL,
    JOURNALD,
    each_journal,
    exit_code,
    in_child,
    messages,
    read_all,
    read_some,
    settle,
    write,
    written,
)
from tests.support.threads import in_threads

TEXTS = {
    "plain": "SLACK: Ada signed up",
    "empty": "",
    "newline": "a\nb",
    "newlines": "\n\n",
    "nul": "a\0b",
    "carriage return, escape": "a\r\x1b[31mb",
    "emoji": "🎉 é",
    "lone surrogate": "a\ud800b",
    "surrogate pair": "\ud83d\ude00",
    "escaped foreign byte": "a\udcffb",
    "60 kB": "é" * 30_000,
    "forged field": "x\nPROPPY_EVENT=SLACK\n_UID=0",
    "forged JSON": 'x","PROPPY_EVENT":"SLACK","_UID":"0',
}


@pytest.fixture(params=EACH_JOURNAL)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    yield from each_journal(request, tmp_path)


def test_entries_come_in_order_with_what_the_journal_vouches_for(journal: Journal) -> None:
    before = datetime.now(UTC).timestamp() * 1e6
    for number in range(500):
        write(journal, str(number), PROPPY_EVENT="SLACK")
    entries = written(journal)
    assert messages(entries) == [str(number) for number in range(500)]
    assert {entry.fields["PROPPY_EVENT"] for entry in entries} == {"SLACK"}
    assert {entry.fields["_UID"] for entry in entries} == {str(os.getuid())}
    assert {entry.fields["_PID"] for entry in entries} == {str(os.getpid())}
    times = [entry.time_us for entry in entries]
    assert times == sorted(times)
    assert before - 1000 <= times[0] <= times[-1] <= datetime.now(UTC).timestamp() * 1e6


def test_an_audit_also_gets_the_name_of_the_process(journal: Journal) -> None:
    write(journal, "x", PROPPY_EVENT="SLACK")
    settle(journal)
    (entry,) = read_all(journal.open(follow=False, audit=True))
    assert entry.fields["_COMM"] == Path("/proc/self/comm").read_text().removesuffix("\n")
    assert entry.fields["_PID"] == str(os.getpid())
    assert entry.fields["PROPPY_EVENT"] == "SLACK"


def test_senders_cannot_set_trusted_fields(journal: Journal) -> None:
    write(journal, "x", _UID="12345", _PID="1", __REALTIME_TIMESTAMP="1", __CURSOR="1")
    write(journal, "x", _COMM="systemd", _SYSTEMD_UNIT="web.service", _TRANSPORT="driver")
    settle(journal)
    first, entry = read_all(journal.open(follow=False, audit=True))
    assert first.fields["_UID"] == str(os.getuid())
    assert first.fields["_PID"] == str(os.getpid())
    assert first.time_us > 1
    assert entry.fields["_COMM"] != "systemd"
    assert entry.fields.get("_SYSTEMD_UNIT") != "web.service"
    assert entry.fields.get("_TRANSPORT") in {None, "journal"}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_any_text_comes_back_and_forges_nothing(journal: Journal, text: str) -> None:
    write(journal, text, PROPPY_DATA=text)
    write(journal, "next")
    first, second = written(journal)
    assert as_text(first.fields["MESSAGE"]) == text
    assert as_text(first.fields["PROPPY_DATA"]) == text
    assert "PROPPY_EVENT" not in first.fields
    assert first.fields["_UID"] == str(os.getuid())
    assert second.fields["MESSAGE"] == "next"


def test_a_reader_at_a_position_gives_just_what_follows(journal: Journal) -> None:
    for number in range(20):
        write(journal, str(number))
    entries = written(journal)
    for number in (0, 7, 18, 19):
        with journal.open(after=entries[number].position, follow=False) as reader:
            rest = read_all(reader)
            assert reader.gap is None
        assert messages(rest) == [str(later) for later in range(number + 1, 20)]
        assert [entry.position for entry in rest] == [entry.position for entry in entries[number + 1 :]]


def test_a_follower_sees_what_was_there_and_what_comes(journal: Journal) -> None:
    write(journal, "before")
    with journal.open() as reader:
        assert messages(read_some(reader, 1)) == ["before"]
        for number in range(5):
            assert reader.read(10) == []
            write(journal, str(number))
            assert messages(read_some(reader, 1)) == [str(number)]
        assert not reader.exhausted
        assert reader.gap is None


def test_a_follower_of_an_empty_journal_sees_the_first_entry(journal: Journal) -> None:
    with journal.open() as reader:
        assert reader.read(10) == []
        write(journal, "first")
        assert messages(read_some(reader, 1)) == ["first"]
        assert reader.gap is None


def test_a_follower_at_the_newest_position_sees_only_new_entries(journal: Journal) -> None:
    write(journal, "old")
    (old,) = written(journal)
    with journal.open(after=old.position) as reader:
        assert reader.read(10) == []
        write(journal, "new")
        assert messages(read_some(reader, 1)) == ["new"]


def test_readers_are_independent(journal: Journal) -> None:
    for number in range(4):
        write(journal, str(number))
    with journal.open() as one, journal.open() as two:
        assert messages(read_some(one, 3)) == ["0", "1", "2"]
        assert messages(read_some(two, 1)) == ["0"]
        assert messages(read_some(one, 1)) == ["3"]
        assert messages(read_some(two, 3)) == ["1", "2", "3"]


def test_an_empty_journal_is_exhausted_at_once(journal: Journal) -> None:
    assert written(journal) == []


def test_the_limit_is_obeyed(journal: Journal) -> None:
    for number in range(7):
        write(journal, str(number))
    with journal.open() as reader:
        assert len(read_some(reader, 7)) == 7
    with journal.open(follow=False) as reader:
        sizes = []
        while not reader.exhausted:
            sizes.append(len(reader.read(3)))
    assert max(sizes) <= 3
    assert sum(sizes) == 7


def test_since_skips_what_is_older(journal: Journal) -> None:
    for number in range(200):
        write(journal, str(number))
    entries = written(journal)
    since = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=entries[120].time_us)
    newer = written(journal, since=since)
    assert messages(newer)[-80:] == [str(number) for number in range(120, 200)]
    assert {entry.time_us for entry in newer[:-80]} <= {entries[120].time_us}


def test_since_in_the_future_gives_nothing_yet(journal: Journal) -> None:
    write(journal, "old")
    assert written(journal, since=datetime.now(UTC) + timedelta(hours=1)) == []


def test_positions_survive_closing(journal: Journal) -> None:
    write(journal, "old")
    (old,) = written(journal)
    journal.close()
    write(journal, "new")
    assert messages(written(journal, after=old.position)) == ["new"]


@pytest.mark.parametrize("position", ["", "garbage", "1:", ":", "1:x", "-1", "²", "s=1;i=x", "\0", "1;2"])
def test_a_garbage_position_is_refused(journal: Journal, position: str) -> None:
    write(journal, "x")
    with pytest.raises(ValueError, match=r"position|cursor"):
        journal.open(after=position)


def test_four_threads_lose_nothing(journal: Journal) -> None:
    def run(name: int) -> None:
        for number in range(300):
            write(journal, f"{name} {number}")

    in_threads(4, run)
    _assert_all_there(journal)


@pytest.mark.parametrize("journal", ["file", JOURNALD], indirect=True)
def test_four_forked_processes_lose_nothing(journal: Journal) -> None:
    write(journal, "parent")

    def run(name: int) -> None:
        for number in range(300):
            write(journal, f"{name} {number}")

    children = [in_child(lambda name=name: run(name)) for name in range(4)]  # type: ignore[misc]  # mypy#15459
    assert [exit_code(pid) for pid in children] == [0] * 4
    write(journal, "parent")
    entries = written(journal)
    assert {entry.fields["_PID"] for entry in entries} == {str(pid) for pid in [os.getpid(), *children]}
    _assert_all_there(journal, {"parent"})


def _assert_all_there(journal: Journal, others: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    found = [text for text in messages(written(journal)) if text not in others]
    by_name = {name: [text for text in found if text.startswith(f"{name} ")] for name in range(4)}
    assert by_name == {name: [f"{name} {number}" for number in range(300)] for name in range(4)}
    assert len(found) == 1200


def test_a_url_names_the_same_journal_each_time(tmp_path: Path) -> None:
    url = (tmp_path / "a b").as_uri()
    journal = journal_from_url(url, tmp_path)
    assert isinstance(journal, FileJournal)
    assert journal.url == url
    assert journal.folder == tmp_path / "a b"
    assert journal_from_url(url, tmp_path) is journal
    assert journal_from_url("journald://proppy", tmp_path).url == "journald://proppy"
    assert journal_from_url("journald://", tmp_path).url == "journald://"


def test_there_is_one_memory_journal(tmp_path: Path) -> None:
    assert journal_from_url("memory://", tmp_path) is journal_from_url("memory://", tmp_path / "other")


def test_auto_is_the_file_journal_where_journald_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.journal.journald_works", lambda: False)
    journal = journal_from_url("auto", tmp_path)
    assert isinstance(journal, FileJournal)
    assert journal.folder == tmp_path / "journal"
    monkeypatch.setattr("notifications.journal.journald_works", lambda: True)
    assert journal_from_url("auto", tmp_path / "other").url == "journald://"


@pytest.mark.parametrize(
    "url",
    ["", "journald", "journald:/x", "journald://a/b", "journald://..", "journald://" + "x" * 80, "file://",
     "file:///", "file://relative/path", "file:///a?b", "memory://x", "memory", "redis://", "AUTO"],
)  # fmt: skip
def test_other_urls_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"names no|is not a journald namespace"):
        journal_from_url(url, tmp_path)


def test_memory_drops_the_oldest_and_reports_a_gap() -> None:
    journal = MemoryJournal(max_entries=3)
    with journal.open() as reader:
        write(journal, "0")
        assert messages(reader.read(10)) == ["0"]
        for number in range(1, 6):
            write(journal, str(number))
        assert messages(reader.read(10)) == ["3", "4", "5"]
        assert reader.gap is not None
        assert (reader.gap.position, reader.gap.count) == ("1", 2)


def test_memory_can_be_cleared() -> None:
    journal = MemoryJournal()
    write(journal, "old")
    with journal.open() as reader:
        assert messages(reader.read(10)) == ["old"]
        journal.clear()
        write(journal, "new")
        assert messages(reader.read(10)) == ["new"]
        assert reader.gap is None
    assert messages(written(journal)) == ["new"]


def test_an_entry_that_no_reader_would_take_is_refused(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    with pytest.raises(EntryTooLarge):
        journal.write(journal.encode({"MESSAGE": "x" * 1024 * 1024}))
    assert written(journal) == []
