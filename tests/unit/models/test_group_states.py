"""A failure group is open, acknowledged, muted or resolved; what is to be reported of it is reported once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from notifications.models import FailureGroup, FailureHour, OperatorAction
from notifications.models.failures import QUIET, GroupState, Noted
from notifications.signals import failure_group_changed
from notifications.utils.failure_fingerprint import Failure
from tests.support.threads import in_threads

NOW = timezone.now()
FAILURE = Failure("KeyError: 'price'", "shop/handlers.py:41, count", "a", "Traceback", "shop/handlers.py:41, count")


def note(*, minutes: float = 0, dead: bool = False) -> Noted:
    """One more failed attempt, so many minutes from now."""
    return FailureGroup.objects.note("demo", FAILURE, NOW + timedelta(minutes=minutes), dead=dead)


def groups() -> Any:
    return FailureGroup.objects.all()


def state() -> str:
    return FailureGroup.objects.get().state


@pytest.mark.usefixtures("database")
class TestStates:
    def test_a_new_group_is_open(self) -> None:
        assert note().new
        assert state() == GroupState.OPEN
        assert note() == Noted(FailureGroup.objects.get().pk)

    def test_one_that_somebody_works_at_stays_acknowledged(self) -> None:
        note()
        assert groups().acknowledge("ada") == 1
        assert not note(minutes=1).new
        assert state() == GroupState.ACKNOWLEDGED
        assert groups().acknowledge("bob") == 0
        assert FailureGroup.objects.get().state_by == "ada"

    def test_a_muted_one_says_nothing_until_then(self) -> None:
        note()
        groups().mute("ada", NOW + 3 * QUIET)
        quiet = note(minutes=2 * QUIET / timedelta(minutes=1), dead=True)
        assert quiet == Noted(quiet.pk, muted=True)
        later = note(minutes=4 * QUIET / timedelta(minutes=1), dead=True)
        assert later == Noted(quiet.pk, new=True, first_dead=True)
        group = FailureGroup.objects.get()
        assert (group.state, group.muted_until, group.state_by) == (GroupState.OPEN, None, "")

    def test_a_mute_can_be_prolonged(self) -> None:
        note()
        for hours in (1, 2):
            assert groups().mute("ada", NOW + timedelta(hours=hours)) == 1
        assert FailureGroup.objects.get().muted_until == NOW + timedelta(hours=2)

    def test_a_resolved_one_that_fails_is_open_again(self) -> None:
        note(dead=True)
        groups().resolve("ada")
        resolved: datetime | None = FailureGroup.objects.get().resolved_at
        again = note(minutes=2 * QUIET / timedelta(minutes=1))
        assert again == Noted(again.pk, again=True, resolved_at=resolved, resolved_by="ada")
        group = FailureGroup.objects.get()
        assert (group.state, group.reopened_at) == (GroupState.OPEN, group.last_at)
        assert not note(minutes=2 * QUIET / timedelta(minutes=1)).again

    def test_one_that_was_resolved_and_then_muted_fails_again(self) -> None:
        note()
        for again in (True, True, False):
            if again:
                groups().resolve("ada")
            groups().mute("bob", NOW + timedelta(hours=1))
            assert note().muted
            noted = note(minutes=61)
            assert (noted.again, noted.new, noted.resolved_by) == (again, not again, "ada" if again else "")
            assert not note(minutes=62).again

    @pytest.mark.parametrize("change", ["acknowledge", "reopen"])
    def test_one_that_a_person_reopened_is_not_resolved(self, change: str) -> None:
        note()
        groups().resolve("ada")
        getattr(groups(), change)("bob")
        groups().mute("bob", NOW + timedelta(hours=1))
        assert (note(minutes=61).again, FailureGroup.objects.get().resolved_at) == (False, None)

    def test_its_first_dead_payload_is_told_once(self) -> None:
        assert [note(dead=dead).first_dead for dead in (False, True, True)] == [False, True, False]
        groups().resolve("ada")
        assert [note(dead=True).first_dead for _ in range(2)] == [True, False]

    def test_who_did_what_is_recorded_and_signalled(self) -> None:
        told = []

        def receive(pk: int, source: str, title: str, state: str, by: str, **_: Any) -> None:
            told.append((pk, source, title, state, by))

        pk = note().pk
        failure_group_changed.connect(receive)
        try:
            for change in (groups().acknowledge, groups().resolve, groups().reopen):
                change("ada")
        finally:
            failure_group_changed.disconnect(receive)
        assert told == [(pk, "demo", FAILURE.title, each, "ada") for each in ("acknowledged", "resolved", "open")]
        recorded = OperatorAction.objects.filter(failure=pk).order_by("pk").values_list("what", "by")
        assert list(recorded) == [("acknowledged", "ada"), ("resolved", "ada"), ("reopened", "ada")]

    def test_failures_are_counted_by_the_hour(self) -> None:
        hour = NOW.replace(minute=0, second=0, microsecond=0)
        minutes_left = 60 - NOW.minute
        for minutes in (0, 0, minutes_left, 61):
            note(minutes=minutes)
        counted = FailureHour.objects.filter(hour__lte=hour).values_list("hour", "failed")
        assert list(counted) == [(hour, 2)]
        assert sum(FailureHour.objects.values_list("failed", flat=True)) == 4


@pytest.mark.usefixtures("database")
def test_of_two_workers_one_reports_it() -> None:
    note()
    FailureGroup.objects.all().resolve("ada")
    noted = in_threads(4, lambda _: note(dead=True))
    assert sorted(each.again for each in noted) == [False, False, False, True]
    assert sorted(each.first_dead for each in noted) == [False, False, False, True]
    assert FailureGroup.objects.get().attempts == 5
