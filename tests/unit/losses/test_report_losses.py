"""A loss is told once, in one line that says when, where, how many and why."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from notifications.losses import report_losses
from notifications.losses.report_losses import report_new_losses
from notifications.models import Loss
from tests.support.accounting import Office
from tests.support.in_process import Told

pytestmark = pytest.mark.django_db(transaction=True)

NOW: Final = datetime(2026, 5, 1, 14, 30, tzinfo=UTC)
WEB: Final = "web-1: proppy-web@1.service 4711"
LIMIT: Final = "journald's rate limit: proppy-web@1.service; set LogRateLimitIntervalSec=0"
GAP: Final = {"origin": "web-1: journald://proppy", "reason": "entries were removed", "count": 312}


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    with timezone.override("Europe/Berlin"):
        yield


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-05-01T{clock}+00:00")


def lost(**values: Any) -> Loss:
    known = {"origin": WEB, "reason": LIMIT, "count": 312, "since": at("12:02:10"), "until": at("12:02:40")}
    return Loss.objects.create(**known | {"key": f"{Loss.objects.count()}"} | values)


def texts(told: Told) -> list[str]:
    return [event.text for event in told.events() if event.name == "SLACK"]


def test_the_line(told: Told) -> None:
    lost()
    report_new_losses("SLACK")
    (event,) = told.events()
    assert (event.name, event.text) == ("SLACK", f"14:02:10 to 14:02:40, {WEB}, 312 events lost: {LIMIT}")
    assert event.data == {"kind": "loss", "alert": True}
    assert Loss.objects.get().told_at == NOW


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"count": 1}, f"14:02:10 to 14:02:40, {WEB}, 1 event lost: {LIMIT}"),
        ({"count": None, "reason": "killed"}, f"14:02:10 to 14:02:40, {WEB}, events may be lost: killed"),
        ({"since": None}, f"14:02:40, {WEB}, 312 events lost: {LIMIT}"),
        ({"since": at("12:02:40")}, f"14:02:40, {WEB}, 312 events lost: {LIMIT}"),
        (
            {"since": at("12:02:10") - timedelta(days=1)},
            f"2026-04-30 14:02:10 to 2026-05-01 14:02:40, {WEB}, 312 events lost: {LIMIT}",
        ),
        ({"until": at("22:30:00")}, f"2026-05-01 14:02:10 to 2026-05-02 00:30:00, {WEB}, 312 events lost: {LIMIT}"),
        ({"reason": "a\nSLACK: b\u202e"}, f"14:02:10 to 14:02:40, {WEB}, 312 events lost: a SLACK: b\ufffd"),
    ],
)
def test_other_lines(told: Told, values: dict[str, Any], text: str) -> None:
    lost(**values)
    report_new_losses("SLACK")
    assert texts(told) == [text]


def test_a_gap_of_several_channels_is_one_line(told: Told) -> None:
    for number, channel in enumerate(["SLACK", "REPORT", "LOST"]):
        lost(**GAP | {"channel": channel, "count": 300 + number, "since": at(f"12:02:1{number}")})
    lost(**GAP | {"channel": "SLACK", "origin": "web-2: journald://proppy", "count": None})
    report_new_losses("SLACK")
    assert texts(told) == [
        "14:02:10 to 14:02:40, web-1: journald://proppy, at most 302 events lost for LOST, REPORT, SLACK:"
        " entries were removed",
        "14:02:10 to 14:02:40, web-2: journald://proppy, events may be lost for SLACK: entries were removed",
    ]


def test_processes_are_told_one_by_one_and_each_once(told: Told) -> None:
    for _ in range(3):
        lost()
    for _ in range(2):
        report_new_losses("SLACK")
    assert len(texts(told)) == 3


def test_many_are_told_some_at_a_time(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_losses, "MOST", 2)
    for count in range(5):
        lost(count=count + 2)
    for _ in range(3):
        report_new_losses("SLACK")
    assert [text.split(", ")[2] for text in texts(told)] == [
        f"{n} events lost: journald's rate limit: proppy-web@1.service; set LogRateLimitIntervalSec=0"
        for n in range(2, 7)
    ]


def test_another_machine_was_faster(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its look and its claim."""
    lost()

    def slow() -> datetime:
        Loss.objects.update(told_at=NOW)
        return NOW

    monkeypatch.setattr(timezone, "now", slow)
    report_new_losses("SLACK")
    assert texts(told) == []


def test_a_database_that_fails_tells_again_rather_than_never(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    lost()
    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(connection, "commit", lambda: (_ for _ in ()).throw(OperationalError("away")))
        report_new_losses("SLACK")
    connection.close()
    assert Loss.objects.get().told_at is None
    report_new_losses("SLACK")
    assert len(texts(told)) == 2


# The accountant tells


def test_told_at_once_after_a_loss_of_its_own(told: Told) -> None:
    office = Office("memory://", alert="SLACK")
    office.idle()
    office.write(1, name="LOST", text="9 events: why", PROPPY_DATA='{"count": 9, "reason": "why"}')
    office.idle()
    assert [text.partition(", ")[2].partition(", ")[2] for text in texts(told)] == ["9 events lost: why"]


def test_told_also_where_it_is_never_idle_and_not_before_the_commit(told: Told) -> None:
    office = Office("memory://", alert="SLACK")
    lost()
    office.write(1)
    office.read(rolled_back=True)
    assert texts(told) == []
    office.read()
    assert len(texts(told)) == 1


def test_losses_of_others_are_told_within_seconds(told: Told) -> None:
    office = Office("memory://", alert="SLACK")
    office.idle()
    lost()
    office.now += 9
    office.idle()
    assert texts(told) == []
    office.now += 1
    office.idle()
    assert len(texts(told)) == 1


@pytest.mark.parametrize("alert", ["", "NOBODY"])
def test_without_a_channel_for_alerts_they_stay_untold(told: Told, alert: str) -> None:
    office = Office("memory://", alert=alert)
    lost()
    office.idle()
    assert told.events() == []
    assert Loss.objects.get().told_at is None
