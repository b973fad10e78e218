"""After a restore: channels go on from now, and nothing is known of the processes of before."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from deploy.operate import skip
from notifications.journal import journal_from_url
from notifications.models import Account, Position, ReportRow, Series, Writer
from notifications.models.series import Step
from notifications.positions.key import machine_id
from tests.support.journals import read_all, write

pytestmark = pytest.mark.usefixtures("sqlite_file")


@pytest.fixture
def url(settings: Any, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The journal that the channels follow."""
    monkeypatch.setattr(skip, "state_dir", lambda: state_dir)
    return f"file://{state_dir}/journal"


def position(channel: str, url: str, machine: str = "") -> Position:
    return Position.objects.create(machine=machine or machine_id(), journal=url, channel=channel, cursor="old")


def test_the_channels_of_this_machine_are_moved_to_now(url: str, state_dir: Path) -> None:
    journal = journal_from_url(url, state_dir)
    write(journal, "SLACK: told before", PROPPY_EVENT="SLACK")
    ours, text, other = position("SLACK", url), position("SLACK", f"{url}#text"), position("SLACK", url, "another")
    skip.main()
    write(journal, "SLACK: not yet", PROPPY_EVENT="SLACK")
    for each in (ours, text, other):
        each.refresh_from_db()
    assert other.cursor == "old"
    for each in (ours, text):
        found = read_all(journal.open(after=each.cursor, follow=False))
        told = [entry for entry in found if "PROPPY_EVENT" in entry.fields]
        assert [entry.fields["MESSAGE"] for entry in told] == ["SLACK: not yet"]


def test_processes_of_before_are_not_missed(url: str) -> None:
    """Whether they said in the end how many events they had written is in what is skipped."""
    for machine in (machine_id(), "another"):
        Writer.objects.create(machine=machine, journal=url, token="t", origin="web", pid=1, seen_at=timezone.now())
        Account.objects.create(machine=machine, journal=url, known_since="boot-1")
    skip.main()
    assert list(Writer.objects.values_list("machine", flat=True)) == ["another"]
    known = dict(Account.objects.values_list("machine", "known_since"))
    assert known == {machine_id(): "", "another": "boot-1"}


def test_what_was_counted_after_the_backup_is_counted_again_and_once(
    url: str, state_dir: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """At once: whoever has to do it by hand does it after the start, when the same events are counted twice."""
    settings.NOTIFICATIONS_JOURNAL_URL = url
    journal = journal_from_url(url, state_dir)
    write(journal, "REPORT: in the backup", PROPPY_EVENT="REPORT")
    (known,) = read_all(journal.open(follow=False))
    at = datetime.fromtimestamp(known.time_us / 1_000_000, UTC)
    key = {"machine": machine_id(), "journal": url, "channel": "REPORT"}
    Position.objects.create(**key, cursor=known.position, entry_time=at)
    write(journal, "REPORT: after it", PROPPY_EVENT="REPORT")
    for _ in range(2):  # an operator may run it again
        skip.main()
        assert [(row.name, row.count) for row in ReportRow.objects.all()] == [("after it", 1)]
    assert "Counting again" in capsys.readouterr().out


def test_series_are_counted_again_too(url: str, state_dir: Path, settings: Any) -> None:
    settings.NOTIFICATIONS_JOURNAL_URL = url
    journal = journal_from_url(url, state_dir)
    for number in range(2):
        data = f'{{"minute": 0, "series": {{"handled": {{"number {number}": [1, 0, 0, ""]}}}}}}'
        write(journal, "SERIES: web", PROPPY_EVENT="SERIES", PROPPY_DATA=data)
    known = read_all(journal.open(follow=False))[0]
    at = datetime.fromtimestamp(known.time_us / 1_000_000, UTC)
    position("SERIES", url)
    Position.objects.update(cursor=known.position, entry_time=at)
    for _ in range(2):
        skip.main()
        ever = Series.objects.filter(step=Step.EVER).exclude(label="")
        assert list(ever.values_list("label", "count")) == [("number 1", 1)]
