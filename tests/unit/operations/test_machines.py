"""Machines that share a PostgreSQL: each tells how it is, one reports what concerns all, once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from notifications.models import Machine, ReportedProblem
from notifications.operations import machines
from notifications.operations.machines import SILENT, SharedMark, shared_marks, take_leave, take_part
from notifications.operations.problem import Grade, Problem
from notifications.operations.watch import INTERVAL, OVER, Look, Watch
from notifications.status.verdict import verdict
from notifications.workers.activity import Activity
from notifications.workers.heartbeat import Beat
from tests.support.slack import FakeSlack
from tests.support.tell import Clock

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("postgres_database", "state_dir")]

DEAD: Final = Problem(name="payloads-dead", grade=Grade.WARNING, text="37 payloads are dead", advice="Retry.")
FULL: Final = Problem(name="spool-full", grade=Grade.WARNING, text="The spool on shop2 is nearly full", advice="x")
FROZEN: Final = Problem(
    name="follow-journal-frozen", subject="follow_journal 4711", grade=Grade.WARNING, text="It hangs", advice="x"
)


@contextmanager
def on(machine: str) -> Iterator[None]:
    with patch.object(machines, "machine_id", return_value=machine):
        yield


def part_of(machine: str, *problems: Problem) -> bool:
    """Whether it reports what concerns all, once it has told how it is."""
    with on(machine):
        return take_part(problems, [])


def test_one_of_those_that_are_not_silent_reports() -> None:
    assert part_of("b")
    assert part_of("a")
    assert not part_of("b")
    Machine.objects.filter(machine="a").update(seen_at=timezone.now() - SILENT)
    assert part_of("b")
    assert part_of("a"), "it is back"
    assert not part_of("b")


def test_a_subject_that_another_machine_has_reported_ends_here(
    settings: Any, slack: FakeSlack, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if this one's watch began before that."""
    for module in ("watch", "alert_post"):
        monkeypatch.setattr(f"notifications.operations.{module}.time", clock)
    options = {"class": "notifications.channels.slack.Slack", "token": slack.token, "api_url": slack.url}
    settings.NOTIFICATIONS_CHANNELS = {"SLACK": options}
    watch = Watch(lambda: Look([]), ["machine-silent"])
    watch()
    SharedMark("machine-silent=shop3").set(clock.now)
    for _ in range(20):
        clock.now += watch()
    assert [message["text"].partition(",")[0] for message in slack.messages] == ["Over: shop3 is silent"]
    assert shared_marks() == []


def test_a_database_that_is_away_has_nobody_report() -> None:
    with patch.object(Machine.objects, "update_or_create", side_effect=OperationalError("gone")):
        assert not part_of("a")


def test_each_shows_the_problems_and_workers_of_the_others() -> None:
    beat = Beat("process_raw", "shop2", 4711, "1.4", 1.0, 2.0, 2.0, activities=[Activity("stripe 5cf", 1.5)])
    with on("other"):
        take_part([FULL, FROZEN, DEAD], [beat])
    Machine.objects.update(host="shop2")
    found = {each.name: each for each in verdict().problems}
    assert found["spool-full"].text == FULL.text
    assert found["follow-journal-frozen"].subject == FROZEN.subject
    assert found["spool-full"].elsewhere
    assert "payloads-dead" not in found, "we count them ourselves"
    status = verdict().status.database
    assert status is not None
    (machine,) = status.machines
    assert machine.workers[0]["pid"] == 4711


def test_what_a_newer_release_says_is_passed_over() -> None:
    part_of("other", FULL)
    full = FULL.as_dict() | {"since": "today"}
    Machine.objects.update(problems=[full, full | {"name": "flux-capacitor"}, full | {"grade": "fatal"}, {}])
    assert [each.name for each in verdict().problems].count("spool-full") == 1
    assert "flux-capacitor" not in {each.name for each in verdict().problems}


def test_a_machine_that_says_nothing() -> None:
    part_of("other", FULL)
    Machine.objects.update(host="shop2", seen_at=timezone.now() - timedelta(minutes=12))
    found = {each.name: each for each in verdict().problems}
    assert "spool-full" not in found, "that is old"
    silent = found["machine-silent"]
    assert silent.text == "The process_raw of shop2 has said nothing for 12 min"
    assert silent.path == "/admin/notifications/machine/"


def test_a_machine_that_was_stopped_and_has_left_something() -> None:
    part_of("other", FULL)
    with on("other"):
        take_leave("3 payloads in its spool")
    Machine.objects.update(host="shop2", seen_at=timezone.now() - timedelta(minutes=12))
    silent = {each.name: each for each in verdict().problems}["machine-silent"]
    assert silent.text == "shop2 was stopped 12 min ago, and has left 3 payloads in its spool"
    assert silent.advice.startswith("Start its workers: nobody else can see to these.")


def test_a_machine_that_was_stopped_and_has_left_nothing() -> None:
    part_of("other")
    part_of("this")
    with on("other"):
        take_leave("")
    assert Machine.objects.get().machine == "this"
    with patch.object(Machine.objects, "filter", side_effect=OperationalError("gone")):
        take_leave("")


def test_a_mark_is_of_all_machines() -> None:
    assert not SharedMark("payloads-dead").is_set()
    SharedMark("payloads-dead").set(1000.0)
    assert SharedMark("payloads-dead").since() == 1000.0
    assert shared_marks() == ["payloads-dead"]
    SharedMark("payloads-dead").set(None)
    assert shared_marks() == []


def test_a_mark_remembers_while_the_database_is_away() -> None:
    mark = SharedMark("payloads-dead")
    mark.set(1000.0)
    with patch.object(ReportedProblem.objects, "filter", side_effect=OperationalError("gone")):
        assert mark.since() == 1000.0
        mark.set(None)
        assert not mark.is_set()
    assert mark.is_set(), "which only the database forgets"


def test_two_machines_report_a_problem_once(
    settings: Any, slack: FakeSlack, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("watch", "alert_post"):
        monkeypatch.setattr(f"notifications.operations.{module}.time", clock)
    options = {"class": "notifications.channels.slack.Slack", "token": slack.token, "api_url": slack.url}
    settings.NOTIFICATIONS_CHANNELS = {"SLACK": options}
    wrong = [DEAD]

    def look_on(machine: str) -> Callable[[], Look]:
        def look() -> Look:
            return Look(wrong, frozenset() if part_of(machine, *wrong) else frozenset({DEAD.name}))

        return look

    first, second = (Watch(look_on(machine), [DEAD.name]) for machine in ("a", "b"))

    def pass_time(seconds: float, *watches: Watch) -> None:
        for _ in range(int(seconds / INTERVAL)):
            for watch in watches:
                watch()
            clock.now += INTERVAL

    def texts() -> list[str]:
        return [message["text"].partition(",")[0] for message in slack.messages]

    said = f"{DEAD.text}.\n{DEAD.advice}"
    pass_time(60, first, second)
    assert texts() == [said]
    Machine.objects.filter(machine="a").update(seen_at=timezone.now() - SILENT)
    pass_time(60, second)
    assert texts() == [said], "another machine reports for all, and knows"
    wrong.clear()
    pass_time(OVER + 3 * INTERVAL, second)
    assert texts() == [said, "Over: payloads are dead"]
    pass_time(60, first, second)
    assert len(slack.messages) == 2


def test_the_admin_lists_them_and_forgets_one(admin_client: Client) -> None:
    part_of("a", FULL)
    page = admin_client.get("/admin/notifications/machine/")
    assert page.status_code == 200
    machine = Machine.objects.get()
    assert admin_client.get(f"/admin/notifications/machine/{machine.pk}/change/").status_code == 200
    admin_client.post(f"/admin/notifications/machine/{machine.pk}/delete/", {"post": "yes"})
    assert not Machine.objects.exists()
