"""A problem is reported once, and once that it is over: straight to Slack, whatever else is broken."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from notifications.operations import alert_post, watch
from notifications.operations.alert_mark import Mark
from notifications.operations.problem import KINDS, RESTART, Grade, Problem, mark_of, unknown_beside
from notifications.operations.watch import INTERVAL, LONGEST_INTERVAL, OVER, PATIENCE, Look, Watch
from tests.support.in_process import Told
from tests.support.slack import FakeSlack, RateLimited
from tests.support.tell import Clock

HOST: Final = os.uname().nodename
FULL: Final = "the disk is full.\nMake room."
#: How the end of what lasted until now is reported.
OVER_AGAIN: Final = f"Over: the database's disk on {HOST} is nearly full, after "


class Wrong:
    """What is wrong now: `text` of `name`, or nothing."""

    def __init__(self) -> None:
        self.text = self.subject = ""
        self.name, self.grade = "database-disk", Grade.CRITICAL
        self.unknown: frozenset[str] = frozenset()
        self.looks = 0
        self.takes = 0.0
        self.clock: Clock | None = None

    def __call__(self) -> Look:
        self.looks += 1
        if self.clock is not None:
            self.clock.now += self.takes
        if not self.text:
            return Look([], self.unknown)
        return Look(
            [
                Problem(
                    name=self.name,
                    subject=self.subject,
                    grade=self.grade,
                    text=self.text.partition(".")[0],
                    advice="Make room.",
                    path="/admin/row/",
                )
            ],
            self.unknown,
        )


@pytest.fixture
def wrong() -> Wrong:
    return Wrong()


@pytest.fixture
def patient(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    for module in (alert_post, watch):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def to_slack(settings: Any, slack: FakeSlack, tmp_path: Path) -> FakeSlack:
    """The alert channel is on this server. There is no database: a test that asks one fails."""
    options = {"class": "notifications.channels.slack.Slack", "token": slack.token, "api_url": slack.url}
    settings.NOTIFICATIONS_CHANNELS = {"SLACK": {"class": "unused"}, "ALERTS": options | {"channel": "#alerts"}}
    settings.NOTIFICATIONS_ALERT_CHANNEL = "ALERTS"
    settings.NOTIFICATIONS_STATE_DIR = tmp_path / "state"
    return slack


@pytest.fixture
def new(wrong: Wrong, patient: Clock, to_slack: FakeSlack) -> Callable[..., Watch]:
    """The watch of a new process."""

    def new(*names: str) -> Watch:
        return Watch(wrong, names or KINDS)

    return new


New = Callable[..., Watch]


def pass_time(clock: Clock, run: Watch, seconds: float) -> None:
    until = clock.now + seconds
    while clock.now < until:
        clock.now += run()


def texts(slack: FakeSlack) -> list[str]:
    """What was posted; without how long it lasted."""
    return [re.sub("(, after ).*", r"\1", message["text"]) for message in slack.messages]


def test_it_reports_the_end_of_what_another_process_has_reported(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack
) -> None:
    """proppy_alert has, when journald was killed: it runs again at once."""
    run = new()
    pass_time(patient, run, 60)
    Mark("database-disk").set(1000.0)
    pass_time(patient, run, OVER + 3 * INTERVAL)
    assert texts(to_slack) == [OVER_AGAIN]
    assert not Mark("database-disk").is_set()


def test_what_another_process_reports_meanwhile_stays_reported(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack
) -> None:
    run = new()
    pass_time(patient, run, INTERVAL)
    to_slack.answers(RateLimited(20))
    wrong.text = FULL
    pass_time(patient, run, 10)
    Mark("database-disk").set(1000.0)
    pass_time(patient, run, 60)
    assert Mark("database-disk").is_set()
    assert texts(to_slack) == [FULL]


def test_once_and_once_more_when_it_is_over(new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack) -> None:
    run = new()
    pass_time(patient, run, 100)
    assert to_slack.requests == []
    wrong.text = FULL
    pass_time(patient, run, INTERVAL)
    assert texts(to_slack) == [FULL]
    pass_time(patient, run, 1000)
    assert texts(to_slack) == [FULL]
    wrong.text = ""
    pass_time(patient, run, OVER + 2 * INTERVAL)
    assert texts(to_slack) == [FULL, OVER_AGAIN]
    pass_time(patient, run, 1000)
    assert texts(to_slack) == [FULL, OVER_AGAIN]
    assert {message["channel"] for message in to_slack.messages} == {"#alerts"}


def test_a_second_time_is_reported_too(new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack) -> None:
    run = new()
    for _ in range(2):
        wrong.text = FULL
        pass_time(patient, run, INTERVAL)
        wrong.text = ""
        pass_time(patient, run, OVER + 2 * INTERVAL)
    assert texts(to_slack) == [FULL, OVER_AGAIN] * 2


def test_one_that_comes_and_goes_is_reported_once(new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack) -> None:
    run = new()
    for _ in range(50):
        wrong.text = FULL
        pass_time(patient, run, INTERVAL)
        wrong.text = ""
        pass_time(patient, run, OVER - INTERVAL)
    assert texts(to_slack) == [FULL]


def test_one_that_passes_soon_is_not_reported(new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack) -> None:
    wrong.name = "database-away"
    run = new()
    for _ in range(5):
        wrong.text = FULL
        pass_time(patient, run, RESTART - INTERVAL)
        wrong.text = ""
        pass_time(patient, run, INTERVAL)
    assert to_slack.requests == []
    wrong.text = FULL
    pass_time(patient, run, RESTART + 2 * INTERVAL)
    assert texts(to_slack) == [FULL]


def test_a_new_process_does_not_report_it_again(new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack) -> None:
    wrong.text = FULL
    for _ in range(5):
        pass_time(patient, new(), 20)
    assert texts(to_slack) == [FULL]
    wrong.text = ""
    for _ in range(3):
        pass_time(patient, new(), OVER + 2 * INTERVAL)
    assert texts(to_slack) == [FULL, OVER_AGAIN]


def test_a_process_that_waited_for_its_turn_does_not_either(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack
) -> None:
    first, second = new(), new()
    wrong.text = FULL
    pass_time(patient, first, INTERVAL)
    pass_time(patient, second, 100)
    assert texts(to_slack) == [FULL]


def test_as_long_as_slack_takes_nothing_it_is_tried_again(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack
) -> None:
    to_slack.answers(503, "reset", RateLimited(300), *[500] * 6)
    run = new()
    wrong.text = FULL
    pass_time(patient, run, 30)
    wrong.text = ""  # over before anybody could be told
    pass_time(patient, run, 2000)
    assert len(to_slack.requests) == 11
    assert texts(to_slack) == [FULL, OVER_AGAIN]


def test_what_the_channel_refuses_for_good_is_left_in_the_journal(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack, told: Told
) -> None:
    to_slack.answers({"ok": False, "error": "invalid_auth"})
    run = new()
    wrong.text = FULL
    pass_time(patient, run, 1000)
    (event,) = told.events()
    assert (event.name, event.text) == ("ALERTS", FULL)
    assert event.data == {"kind": "problem", "problem": "database-disk", "alert": True}
    assert len(to_slack.requests) == 1


def test_a_state_dir_that_cannot_be_used_stops_no_report(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack, settings: Any, tmp_path: Path, told: Told
) -> None:
    (tmp_path / "file").touch()
    settings.NOTIFICATIONS_STATE_DIR = tmp_path / "file"
    run = new()
    wrong.text = FULL
    pass_time(patient, run, 1000)
    wrong.text = ""
    pass_time(patient, run, 1000)
    assert texts(to_slack) == [FULL, OVER_AGAIN]
    assert told.events() == []


def test_the_end_says_how_long_it_lasted(new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack) -> None:
    run = new()
    pass_time(patient, run, INTERVAL)
    Mark("database-disk").set(patient.now - 12 * 60)
    pass_time(patient, run, INTERVAL)
    wrong.text = ""
    pass_time(patient, run, OVER + 2 * INTERVAL)
    (message,) = to_slack.messages
    assert re.fullmatch(f"{OVER_AGAIN}1[12] min", message["text"])


def test_each_subject_is_a_problem_of_its_own(new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack) -> None:
    wrong.name, wrong.text = "channel-blocked", FULL
    run = new()
    for wrong.subject in ("SLACK", "OPS (plain lines)"):
        pass_time(patient, run, RESTART + 3 * INTERVAL)
    assert texts(to_slack).count(FULL) == 2
    assert f"Over: SLACK on {HOST} delivers nothing, after " in texts(to_slack)
    wrong.text = ""
    pass_time(patient, new(), OVER + 3 * INTERVAL)  # another process, which has never seen it
    assert texts(to_slack)[-1] == f"Over: OPS (plain lines) on {HOST} delivers nothing, after "
    assert not Mark(mark_of("channel-blocked", "OPS (plain lines)")).is_set()


def test_the_message_links_to_the_row(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack, settings: Any
) -> None:
    settings.NOTIFICATIONS_SITE_URL = "https://shop.example.org/"
    wrong.text = FULL
    pass_time(patient, new(), INTERVAL)
    assert texts(to_slack) == [f"{FULL}\nhttps://shop.example.org/admin/row/"]


def test_what_is_over_of_one_process_leaves_no_file(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack, settings: Any
) -> None:
    wrong.name, wrong.subject = "process-raw-frozen", "process_raw 4711"
    folder = settings.NOTIFICATIONS_STATE_DIR / "alerts"
    run = new()
    for count in (2, 4):  # it may freeze again
        wrong.text = FULL
        pass_time(patient, run, 6 * INTERVAL)
        assert len(list(folder.glob("process-raw-frozen=*"))) == 1
        wrong.text = ""
        pass_time(patient, run, OVER + 3 * INTERVAL)
        assert len(to_slack.messages) == count
        assert list(folder.glob("process-raw-frozen=*")) == []


def test_a_project_without_an_alert_channel_has_one_line_in_its_log(
    new: New, wrong: Wrong, patient: Clock, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.NOTIFICATIONS_ALERT_CHANNEL = "NOBODYS"
    settings.NOTIFICATIONS_STATE_DIR = settings.NOTIFICATIONS_STATE_DIR / "own"
    wrong.text = FULL
    pass_time(patient, new(), 100)
    assert caplog.text.count("Problems are reported to nobody: NOTIFICATIONS_ALERT_CHANNEL is 'NOBODYS'") == 1
    assert not Mark("database-disk").is_set()


def test_a_watch_leaves_the_kinds_of_others_alone(new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack) -> None:
    Mark("database-disk").set(1000.0)
    pass_time(patient, new("process-raw-dead"), 100)
    wrong.text = FULL
    pass_time(patient, new("process-raw-dead"), 100)
    assert to_slack.requests == []
    assert Mark("database-disk").is_set()


@pytest.mark.parametrize("name", ["database-unknown", "journal-unreadable"])
def test_what_is_unknown_because_of_another_problem_is_not_reported(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack, name: str
) -> None:
    wrong.name, wrong.text = name, FULL
    pass_time(patient, new(), 100)
    assert to_slack.requests == []


def test_a_unit_that_proppy_alert_has_reported_is_not_reported_again(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack, settings: Any
) -> None:
    settings.NOTIFICATIONS_FOLLOWER_UNIT = "shop-follow.service"
    run = new()
    pass_time(patient, run, INTERVAL)
    Mark("shop-follow.service").set(patient.now)
    wrong.name, wrong.text = "follow-journal-dead", "none runs"
    pass_time(patient, run, RESTART + 3 * INTERVAL)
    assert to_slack.requests == []
    wrong.text = ""
    pass_time(patient, run, OVER + 3 * INTERVAL)
    assert texts(to_slack) == [f"Over: no follow_journal runs on {HOST}, after "]


def test_a_look_that_takes_long_is_followed_by_a_pause(new: New, wrong: Wrong, patient: Clock) -> None:
    wrong.clock, wrong.takes = patient, 2.0
    pass_time(patient, new(), 10 * LONGEST_INTERVAL)
    assert 8 <= wrong.looks <= 2 + 600 / min(PATIENCE * wrong.takes, LONGEST_INTERVAL)


def test_what_is_unknown_is_neither_reported_nor_over(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack
) -> None:
    run = new()
    wrong.text = FULL
    pass_time(patient, run, INTERVAL)
    wrong.text, wrong.unknown = "", frozenset({"database-disk"})
    pass_time(patient, run, 1000)
    assert texts(to_slack) == [FULL]
    wrong.unknown = frozenset()
    pass_time(patient, run, OVER + 3 * INTERVAL)
    assert texts(to_slack) == [FULL, OVER_AGAIN]


def test_what_only_the_database_knows_is_unknown_without_it() -> None:
    def problem(name: str) -> Problem:
        return Problem(name=name, grade=Grade.UNKNOWN, text="", advice="")

    assert unknown_beside([problem("payloads-dead")]) == frozenset()
    without = unknown_beside([problem("database-unknown")])
    assert {"payloads-dead", "channel-blocked", "events-lost"} <= without
    assert not {"spool-waits", "database-away", "process-raw-dead"} & without
    assert {"spool-waits", "spool-full"} <= unknown_beside([problem("spool-unreadable")])


def test_a_warning_that_becomes_critical_is_reported_once_more(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack
) -> None:
    wrong.name, wrong.subject, wrong.text, wrong.grade = "journal-quota", "SLACK", FULL, Grade.WARNING
    pass_time(patient, new(), 60)
    wrong.grade = Grade.CRITICAL
    pass_time(patient, new(), 60)
    assert texts(to_slack) == [FULL, FULL]
    wrong.grade = Grade.WARNING
    pass_time(patient, new(), 60)
    wrong.text = ""
    pass_time(patient, new(), 60)
    assert len(to_slack.messages) == 3
