"""manage.py follow_journal in this process; tests/integration starts real ones."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from notifications import emit
from notifications.channels import channel_names
from notifications.events.emit import process_outbox
from notifications.follow_journal.build_workers import worker_makers
from notifications.journal import MemoryJournal
from notifications.models import Position, Refusal, ReportRow, Series
from notifications.models.series import Step
from notifications.positions.key import Key, machine_id
from notifications.positions.lock import Lock
from notifications.utils.times import OLDEST

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Any) -> Iterator[None]:
    """Locks of its own, and an empty journal."""
    with override_settings(
        NOTIFICATIONS_STATE_DIR=tmp_path,
        NOTIFICATIONS_CHANNELS={
            "SLACK": {"class": "notifications.channels.slack.Slack"},
            "REPORT": {"class": "notifications.channels.report.Report"},
        },
    ):
        journal = process_outbox().journal
        assert isinstance(journal, MemoryJournal)
        journal.clear()
        yield


def test_drain(capsys: pytest.CaptureFixture[str]) -> None:
    emit("SLACK", "Ada signed up")
    emit("REPORT", "sign-up")
    call_command("follow_journal", "--drain", "--channel", "SLACK", "--channel", "REPORT")
    assert "Ada signed up" in capsys.readouterr().out
    assert ReportRow.objects.get().name == "sign-up"
    assert Position.objects.exclude(cursor="").count() == 2
    call_command("follow_journal", "--drain", "--channel", "SLACK", "--channel", "REPORT")
    assert capsys.readouterr().out == ""
    assert ReportRow.objects.get().count == 1


def test_dry_run_delivers_nothing_and_moves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    emit("REPORT", "sign-up\x1b[31m")
    call_command("follow_journal", "--dry-run", "--channel", "REPORT")
    assert r"REPORT: 'sign-up\x1b[31m'" in capsys.readouterr().out
    assert not ReportRow.objects.exists()
    assert not Position.objects.exists()


def test_since_delivers_again(capsys: pytest.CaptureFixture[str]) -> None:
    emit("SLACK", "Ada")
    call_command("follow_journal", "--drain", "--channel", "SLACK")
    before = list(Position.objects.values())
    for since, lines in (("oldest", 1), ("1 hour ago", 1), ("now", 0)):
        capsys.readouterr()
        call_command("follow_journal", "--since", since, "--channel", "SLACK")
        assert capsys.readouterr().out.count("Ada") == lines
    assert list(Position.objects.values()) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--since", ""], "--since: '' is not a time: write"),
        (["--channel", "NOPE"], r"No channel 'NOPE'\. There are: SLACK, REPORT"),
        (["--since", "soon"], "--since: 'soon' is not a time: write"),
    ],
)
def test_bad_arguments(arguments: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("follow_journal", *arguments)


def test_a_second_one_is_refused_and_leaves_no_lock_behind() -> None:
    lock = Lock(Key(machine_id(), "memory://", "REPORT"))
    try:
        for _ in range(2):
            with pytest.raises(CommandError, match=f"REPORT is followed already, by process {os.getpid()}"):
                call_command("follow_journal", "--drain", "--channel", "SLACK", "--channel", "REPORT")
        call_command("follow_journal", "--drain", "--channel", "SLACK")
    finally:
        lock.close()


@pytest.mark.parametrize(("url", "followers"), [("", 2 + 1), ("memory://", 4 + 1)])
def test_plain_lines_are_followed_where_there_is_a_journal_for_them(url: str, followers: int) -> None:
    """The one more sends failed deliveries again."""
    with override_settings(NOTIFICATIONS_TEXT_JOURNAL_URL=url):
        assert len(list(worker_makers(["SLACK", "REPORT"]))) == followers


@pytest.mark.parametrize(
    ("url", "names", "drain", "workers"),
    [
        ("journald://other", ["SLACK", "REPORT"], False, 4 + 1 + 2),
        ("journald://events", ["SLACK", "REPORT"], False, 4 + 1 + 1),
        ("journald://other", ["SLACK"], False, 2 + 1),
        ("journald://events", ["SLACK"], False, 2 + 1 + 1),
        ("journald://other", ["SLACK", "REPORT"], True, 4 + 1),
        ("memory://", ["SLACK", "REPORT"], False, 4 + 1 + 1),
    ],
)
def test_a_journald_with_several_followers_has_a_shared_reader(
    url: str, names: list[str], drain: bool, workers: int
) -> None:
    """Beside the followers and the one that sends failed deliveries again."""
    with override_settings(NOTIFICATIONS_JOURNAL_URL="journald://events", NOTIFICATIONS_TEXT_JOURNAL_URL=url):
        assert len(list(worker_makers(names, drain=drain))) == workers


@override_settings(
    NOTIFICATIONS_TEXT_JOURNAL_URL="memory://",
    NOTIFICATIONS_CHANNELS={
        "SLACK": {"class": "notifications.channels.slack.Slack"},
        "WEBHOOK": {
            "class": "notifications.channels.webhook.Webhook",
            "url": "http://127.0.0.1:9/",
            "secret": "whsec_" + "c2VjcmV0" * 4,
        },
    },
)
def test_plain_lines_reach_only_harmless_channels(capsys: pytest.CaptureFixture[str]) -> None:
    journal = process_outbox().journal
    for name in ("SLACK", "WEBHOOK"):
        journal.write(journal.encode({"MESSAGE": f"{name}: by anybody"}))
    call_command("follow_journal", "--drain")
    out = capsys.readouterr().out
    assert out.count("(unknown author) by anybody") == 1
    assert "WEBHOOK:" not in out
    refused = Refusal.objects.get()
    assert (refused.name, refused.count, refused.example) == ("WEBHOOK", 1, "WEBHOOK: by anybody")
    ours = {("memory://", "LOST"), ("memory://#text", "REFUSED"), ("memory://", "SLACK")}
    assert ours < set(Position.objects.values_list("journal", "channel"))


@pytest.mark.parametrize(
    ("options", "is_followed"),
    [({}, True), ({"drain": True}, True), ({"dry_run": True}, False), ({"since": OLDEST}, False)],
)
def test_series_are_followed_without_a_setting_and_never_twice(options: dict[str, Any], is_followed: bool) -> None:
    """Beside the channels of the project, and the accountant."""
    others = len(list(worker_makers(channel_names(), **options)))
    assert len(list(worker_makers(**options))) == others + 2 * is_followed


def test_series_in_plain_lines_are_refused(settings: Any) -> None:
    settings.NOTIFICATIONS_TEXT_JOURNAL_URL = "memory://"
    journal = process_outbox().journal
    journal.write(journal.encode({"MESSAGE": "SERIES: by anybody"}))
    call_command("follow_journal", "--drain")
    refused = Refusal.objects.get()
    assert (refused.name, refused.count) == ("SERIES", 1)
    assert not Series.objects.exists()


def test_series_can_be_followed_alone() -> None:
    journal = process_outbox().journal
    data = '{"minute": 1, "series": {"handled": {"photo": [3, 2, 2, ""]}}}'
    journal.write(journal.encode({"MESSAGE": "SERIES: web", "PROPPY_EVENT": "SERIES", "PROPPY_DATA": data}))
    for _ in range(2):
        call_command("follow_journal", "--drain", "--channel", "SERIES")
    assert Series.objects.get(step=Step.EVER, name="handled", label="").count == 3
    assert [position.channel for position in Position.objects.all()] == ["SERIES"]


def test_dry_run_says_what_would_become_a_digest(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("Ada", "Bob", "Eve", "Joe"):
        emit("SLACK", f"{name} signed up", kind="sign-up")
    call_command("follow_journal", "--dry-run", "--since", "1 hour ago", "--channel", "SLACK")
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.partition("SLACK: ")[2] for line in lines] == [
        f"'{name} signed up'" for name in ("Ada", "Bob", "Eve", "Joe")
    ]
    assert last == "4 events: SLACK would get one digest of them"
    call_command("follow_journal", "--since", "1 hour ago", "--channel", "SLACK")
    assert "4 sign-ups, " in capsys.readouterr().out
    assert not Position.objects.exists()
