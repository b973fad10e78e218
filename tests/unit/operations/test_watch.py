"""A problem is reported once, and once that it is over: straight to Slack, whatever else is broken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from notifications.operations import alert_post, watch
from notifications.operations.alert_mark import Mark
from notifications.operations.watch import INTERVAL, OVER, Problem, Watch
from tests.support.in_process import Told
from tests.support.slack import FakeSlack, RateLimited
from tests.support.tell import Clock

FULL: Final = "the disk is full"
OVER_AGAIN: Final = "there is room again"
PATIENCE: Final = 60.0


class Wrong:
    """What is wrong now, or ""."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self) -> str:
        return self.text


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

    def new(patience: float = 0.0) -> Watch:
        return Watch([Problem("disk", wrong, OVER_AGAIN, patience), Problem("other", lambda: "", "never")])

    return new


New = Callable[..., Watch]


def pass_time(clock: Clock, run: Watch, seconds: float) -> None:
    until = clock.now + seconds
    while clock.now < until:
        clock.now += run()


def texts(slack: FakeSlack) -> list[str]:
    return [message["text"] for message in slack.messages]


def test_it_reports_the_end_of_what_another_process_has_reported(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack
) -> None:
    """proppy_alert has, when journald was killed: it runs again at once."""
    run = new()
    pass_time(patient, run, 60)
    Mark("disk").set(True)
    pass_time(patient, run, OVER + 3 * INTERVAL)
    assert texts(to_slack) == [OVER_AGAIN]
    assert not Mark("disk").is_set()


def test_what_another_process_reports_meanwhile_stays_reported(
    new: New, wrong: Wrong, patient: Clock, to_slack: FakeSlack
) -> None:
    run = new()
    pass_time(patient, run, INTERVAL)
    to_slack.answers(RateLimited(20))
    wrong.text = FULL
    pass_time(patient, run, 10)
    Mark("disk").set(True)
    pass_time(patient, run, 60)
    assert Mark("disk").is_set()
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
    run = new(PATIENCE)
    for _ in range(5):
        wrong.text = FULL
        pass_time(patient, run, PATIENCE - INTERVAL)
        wrong.text = ""
        pass_time(patient, run, INTERVAL)
    assert to_slack.requests == []
    wrong.text = FULL
    pass_time(patient, run, PATIENCE + 2 * INTERVAL)
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
    assert event.data == {"kind": "problem", "problem": "disk", "alert": True}
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
