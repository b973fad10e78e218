"""Failure groups in the admin: people fix one line, then all of its payloads continue."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.admin.lists import confirm
from notifications.admin.lists.cells import since
from notifications.admin.payloads import moves
from notifications.models import FailureGroup, FailureHour, OperatorAction, RawPayload, State
from notifications.utils.failure_fingerprint import Failure
from tests.support.admin import FAILURES, LIST, TRACEBACK, act, group, listed, page, payload, staff

pytestmark = pytest.mark.django_db


def failing(count: int, failure: FailureGroup, state: State = State.DEAD) -> list[RawPayload]:
    due = timezone.now() if state == State.RETRYING else None
    return [payload(state=state, failure=failure, error=TRACEBACK, next_attempt_at=due) for _ in range(count)]


def states() -> list[str]:
    return list(RawPayload.objects.order_by("pk").values_list("state", flat=True))


def test_the_list_says_how_many_payloads_fail_so(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.admin.failures.list.MOST", 3)
    few, many, none = group(), group("ValueError"), group("OSError")
    failing(2, few)
    failing(4, many, State.RETRYING)
    first, last = datetime(2026, 3, 1, 10, tzinfo=UTC), datetime(2026, 3, 2, 11, tzinfo=UTC)
    FailureGroup.objects.filter(pk=few.pk).update(source="stripe", first_at=first, last_at=last)

    text = admin.get(FAILURES).content.decode()

    assert f'<a href="{LIST}?failure={few.pk}">2</a>' in text
    assert f'<a href="{LIST}?failure={many.pk}">3+</a>' in text
    assert f"?failure={none.pk}" not in text
    assert "KeyError: &#x27;price&#x27;" in text
    assert "shop/handlers.py:41, count" in text
    assert f"#{few.pk} · stripe · shop/handlers.py:41, count" in text
    assert str(since(first)) in text
    assert str(since(last)) in text


def test_the_list_draws_the_last_day_by_one_query(admin: Client) -> None:
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    for name in "abc":
        failing_hour = FailureHour(failure=group(name), hour=now - timedelta(hours=3), failed=7)
        failing_hour.save()
    with CaptureQueriesContext(connection) as queries:
        text = admin.get(FAILURES).content.decode()
    assert sum("failurehour" in query["sql"] for query in queries) == 1
    assert text.count("7 failed in 24 hours, most in the hour of ") == 2 * 3  # the label, and the tooltip


def test_the_list_has_a_filter_by_state(admin: Client) -> None:
    first, second = group("a"), group("b")
    FailureGroup.objects.filter(pk=second.pk).resolve("ada")
    assert listed(admin, "state=resolved", FAILURES) == [second.pk]
    assert listed(admin, "state=open&source=demo", FAILURES) == [first.pk]
    assert listed(admin, "state=nonsense", FAILURES) == []


class TestStates:
    def test_buttons_lead_from_state_to_state(self, admin: Client) -> None:
        failure = group()
        address = f"{FAILURES}{failure.pk}/change/"
        for action, state in (
            ("acknowledge", "acknowledged"),
            ("mute", "muted"),
            ("resolve", "resolved"),
            ("reopen", "open"),
        ):
            assert f'value="{action}"' in admin.get(address).text
            answer = act(admin, action, failure, address=FAILURES, from_page=str(failure.pk))
            assert f'<span class="state group-{state}">{state}</span>' in answer
            assert " by root" in answer
        assert "Acknowledged by root" in answer

    @pytest.mark.parametrize(("chosen", "hours"), [("hour", 1), ("week", 168), ("nonsense", 24)])
    def test_it_is_muted_as_long_as_was_chosen(self, admin: Client, chosen: str, hours: int) -> None:
        act(admin, "mute", group(), address=FAILURES, mute_for=chosen)
        muted_until = FailureGroup.objects.get().muted_until
        assert muted_until is not None
        assert abs(muted_until - timezone.now() - timedelta(hours=hours)) < timedelta(minutes=1)

    def test_a_mute_that_ran_out_says_so(self, admin: Client) -> None:
        now = timezone.now()
        pk = group(state="muted", muted_until=now + timedelta(hours=3)).pk
        says = "which is over: its next failure is reported"
        assert says not in admin.get(f"{FAILURES}{pk}/change/").text
        FailureGroup.objects.update(muted_until=now - timedelta(hours=3))
        assert f"(3 h ago), {says}" in admin.get(f"{FAILURES}{pk}/change/").text.replace("\N{NO-BREAK SPACE}", " ")

    def test_times_are_those_of_the_project(self, admin: Client, settings: Any) -> None:
        settings.TIME_ZONE = "Asia/Kolkata"
        until = datetime(2026, 3, 1, 10, tzinfo=UTC)
        failure = group()
        FailureGroup.objects.all().mute("ada", until)
        assert OperatorAction.objects.get().note == "until 2026-03-01 15:30:00 IST"
        assert admin.get(f"{FAILURES}{failure.pk}/change/").text.count("2026-03-01 15:30:00 IST") == 2
        hour = timezone.now().replace(minute=0, second=0, microsecond=0)
        FailureHour.objects.create(failure=failure, hour=hour, failed=7)
        assert f"most in the hour of {timezone.localtime(hour):%Y-%m-%d %H:30}: 7" in admin.get(FAILURES).text

    def test_one_that_came_back_says_who_had_resolved_it(self, admin: Client) -> None:
        failure = Failure("KeyError: 'price'", "", "a", "Traceback")
        pk = FailureGroup.objects.note("demo", failure, timezone.now()).pk
        FailureGroup.objects.all().resolve("ada")
        FailureGroup.objects.note("demo", failure, timezone.now())
        assert re.search(r"again since .*; it was resolved .* by ada", admin.get(f"{FAILURES}{pk}/change/").text)

    @pytest.mark.parametrize("action", ["acknowledge", "mute", "resolve", "reopen", "retry_one"])
    def test_a_reader_changes_nothing(self, action: str) -> None:
        failure = group()
        (dead,) = failing(1, failure)
        FailureGroup.objects.all().resolve("ada") if action == "reopen" else None
        before = FailureGroup.objects.values().get()
        reader = staff("view_rawpayload", "view_body")
        assert f'value="{action}"' not in reader.get(f"{FAILURES}{failure.pk}/change/").text
        act(reader, action, failure, address=FAILURES)
        assert FailureGroup.objects.values().get() == before
        dead.refresh_from_db()
        assert dead.state == State.DEAD


def test_one_payload_is_retried_before_all(admin: Client) -> None:
    failure = group()
    failing(3, failure)
    answer = act(admin, "retry_one", failure, address=FAILURES, from_page=str(failure.pk))
    assert states() == [State.DEAD, State.DEAD, State.RETRYING]
    newest = RawPayload.objects.order_by("-pk")[0]
    assert f'<a href="{LIST}{newest.pk}/change/">One payload</a>' in answer
    act(admin, "retry", failure, address=FAILURES, confirmed="yes")
    assert states() == [State.RETRYING] * 3
    recorded = OperatorAction.objects.filter(failure=failure).values_list("what", "by", "note").order_by("pk")
    assert list(recorded) == [("retried", "root", "1 of its payloads"), ("retried", "root", "3 of its payloads")]
    assert "Retried by root" in admin.get(f"{FAILURES}{failure.pk}/change/").text


def outcome(client: Client, failure: FailureGroup) -> str:
    """What the group's page says of its last retry."""
    found = re.search(r'<p id="retry".*?</strong>[^<]*', client.get(f"{FAILURES}{failure.pk}/change/").text, re.DOTALL)
    return re.sub(r"<[^>]*>", "", found[0]).strip() if found else ""


def test_the_page_says_what_became_of_a_retry(admin: Client) -> None:
    failure = group()
    one, two, three = failing(3, failure)
    assert outcome(admin, failure) == ""
    act(admin, "retry_one", failure, address=FAILURES)
    assert outcome(admin, failure) == "0 of 1 handled, 1 waits"
    act(admin, "retry", failure, address=FAILURES, confirmed="yes")
    act(admin, "process_again", one, confirmed="yes")  # not with the group
    assert outcome(admin, failure) == "0 of 3 handled, 3 wait"
    RawPayload.objects.filter(pk__in=[one.pk, two.pk]).update(state=State.DONE, failure=None)
    RawPayload.objects.filter(pk=three.pk).update(attempts=1)
    assert outcome(admin, failure) == "2 of 3 handled, 1 failed again"
    RawPayload.objects.filter(pk=three.pk).update(state=State.DONE, failure=None)
    assert outcome(admin, failure) == "3 handled"
    FailureGroup.objects.all().resolve("root")
    assert outcome(admin, failure) == "Mended, 3 handled"
    FailureGroup.objects.update(state=FailureGroup.State.OPEN, reopened_at=timezone.now())
    assert outcome(admin, failure) == "3 handled, but it fails again since then"


def test_one_click_retries_and_resolves(admin: Client) -> None:
    failure = group()
    failing(2, failure)
    assert 'value="Retry and resolve"' in act(admin, "retry", failure, address=FAILURES)
    only_open = f"{FAILURES}?state=open"  # it leaves this list before its payloads are moved
    act(admin, "retry", failure, address=only_open, confirmed="yes", resolve="Retry and resolve")
    assert states() == [State.RETRYING] * 2
    failure.refresh_from_db()
    assert (failure.state, failure.resolved_by) == (FailureGroup.State.RESOLVED, "root")


def test_a_group_without_payloads_has_none_to_retry(admin: Client) -> None:
    assert "has no payload to retry" in act(admin, "retry_one", group(), address=FAILURES)


@pytest.mark.parametrize(
    ("runbook", "is_link"),
    [("https://wiki.example/stripe", True), ("javascript:alert(1)", False), ("", False), (7, False)],
)
def test_the_runbook_of_the_source_is_a_link(admin: Client, settings: Any, runbook: Any, is_link: bool) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": {"runbook": runbook}}
    text = admin.get(f"{FAILURES}{group().pk}/change/").text
    assert (f'<a href="{runbook}" rel="noopener noreferrer">' in text) == is_link
    assert "javascript:alert" not in text


class TestSideBySide:
    def compared(self, client: Client, failing_body: bytes, good_body: bytes) -> str:
        failure = group()
        payload(failing_body, "application/json", state=State.DEAD, failure=failure, next_attempt_at=None)
        payload(good_body, "application/json", state=State.DONE, done_at=timezone.now(), next_attempt_at=None)
        answer = client.get(f"{FAILURES}{failure.pk}/compare/")
        assert answer.status_code == 200
        return answer.text

    def test_what_differs_is_marked(self, admin: Client) -> None:
        text = self.compared(admin, b'{"id": 1, "amount": 2500}', b'{"id": 1, "price": 2500}')
        assert "<td>  &quot;id&quot;: 1,</td><td>  &quot;id&quot;: 1,</td>" in text
        assert "<td>  &quot;<del>amount</del>&quot;: 2500</td><td>  &quot;<ins>price</ins>&quot;: 2500</td>" in text

    def test_equal_bodies_are_said_to_be_equal(self, admin: Client) -> None:
        assert "the same, byte for byte" in self.compared(admin, b"{}", b"{}")

    def test_it_is_for_those_who_may_see_bodies(self) -> None:
        failure = group()
        address = f"{FAILURES}{failure.pk}/compare/"
        reader = staff("view_rawpayload")
        assert reader.get(address).status_code == 403
        assert "compare/" not in reader.get(f"{FAILURES}{failure.pk}/change/").text
        assert Client().get(address).status_code == 302

    def test_a_body_permission_alone_is_not_enough(self) -> None:
        assert staff("view_body").get(f"{FAILURES}{group().pk}/compare/").status_code == 403

    def test_without_two_bodies_it_says_so(self, admin: Client) -> None:
        failure = group()
        address = f"{FAILURES}{failure.pk}/compare/"
        assert "nothing to compare." in admin.get(address).text
        failing(1, failure)
        assert "nothing to compare with." in admin.get(address).text
        assert admin.get(f"{FAILURES}{failure.pk + 1}/compare/").status_code == 404
        assert admin.post(address).status_code == 405


def test_the_list_of_groups_neither_counts_all_nor_loads_bodies(admin: Client) -> None:
    failing(3, group())
    with CaptureQueriesContext(connection) as queries:
        admin.get(FAILURES)
    sqls = [query["sql"] for query in queries if "rawpayload" in query["sql"]]
    assert len(sqls) == 1
    assert not any("COUNT(" in sql or '"inline_body"' in sql for sql in sqls)


def test_its_page_has_the_newest_traceback_and_links_to_the_payloads(admin: Client) -> None:
    failure = group()
    old, new = failing(1, failure)[0], failing(1, failure, State.RETRYING)[0]
    RawPayload.objects.filter(pk=new.pk).update(error="Traceback\nKeyError: <newest>\n")

    text = admin.get(f"{FAILURES}{failure.pk}/change/").content.decode()

    assert "KeyError: &lt;newest&gt;" in text
    assert "ValueError" not in text
    assert f'<a href="{LIST}?failure={failure.pk}">2</a> (1 dead, 1 retrying)' in text
    for one in (old, new):
        assert f"{LIST}{one.pk}/change/" in text
        assert f"{FAILURES}{failure.pk}/change/" in page(admin, one)
    assert f"{FAILURES}{failure.pk}/change/" in admin.get(LIST).content.decode()


def test_retry_asks_and_then_has_all_of_them_processed_again(admin: Client) -> None:
    failure, other = group(), group("ValueError")
    failing(300, failure)
    failing(5, failure, State.RETRYING)
    failing(1, other)

    question = act(admin, "retry", failure, address=FAILURES, from_page=str(failure.pk))
    assert "<strong>305 payloads</strong>?" in question
    assert set(states()) == {State.DEAD, State.RETRYING}

    answer = act(admin, "retry", failure, address=FAILURES, from_page=str(failure.pk), confirmed="yes")

    assert "To be processed again: 305.</li>" in answer
    assert "newest payloads" in answer.lower()  # the group's page again
    assert states() == [*[State.RETRYING] * 305, State.DEAD]


def test_give_up_makes_those_that_wait_dead(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "BATCH", 2)
    failure = group()
    failing(5, failure, State.RETRYING)
    failing(1, failure)

    assert "<strong>6 payloads</strong>?" in act(admin, "give_up", failure, address=FAILURES)
    answer = act(admin, "give_up", failure, address=FAILURES, confirmed="yes")

    assert "Given up: 5. Left alone: 1, because they are dead already" in answer
    assert states() == [State.DEAD] * 6


def test_the_question_for_several_groups_counts_all_of_their_payloads(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [group(f"E{n}") for n in range(2)]
    for each in groups:
        failing(2, each)
    assert "<strong>4 payloads</strong>?" in act(admin, "retry", *groups, address=FAILURES)
    monkeypatch.setattr(confirm, "MOST", 1)
    assert "<strong>2+ payloads</strong>?" in act(admin, "retry", *groups, address=FAILURES)


def test_permissions_are_those_of_payloads() -> None:
    failure = group()
    failing(1, failure)
    assert staff("view_failuregroup", "change_failuregroup").get(FAILURES).status_code == 403

    User.objects.all().delete()
    looker = staff("view_rawpayload")
    text = looker.get(f"{FAILURES}{failure.pk}/change/").content.decode()
    assert "ValueError" in text
    assert 'value="retry"' not in text
    act(looker, "retry", failure, address=FAILURES, confirmed="yes")
    assert states() == [State.DEAD]

    User.objects.all().delete()
    act(staff("change_rawpayload"), "retry", failure, address=FAILURES, confirmed="yes")
    assert states() == [State.RETRYING]


def test_groups_of_a_source(admin: Client) -> None:
    ours, theirs = group(), group(source="contact")

    def found(query: str) -> list[int]:
        return [row.pk for row in admin.get(f"{FAILURES}?{query}").context["cl"].result_list]

    assert found("source=contact") == [theirs.pk]
    assert found("") == [theirs.pk, ours.pk]
    assert admin.get(f"{FAILURES}?title__startswith=K").status_code == 400


def test_groups_are_searched_and_the_longest_quiet_comes_first(admin: Client) -> None:
    now = timezone.now()
    old, new = group("OSError", last_at=now - timedelta(days=2)), group("KeyError: 'price'")
    assert listed(admin, "", FAILURES) == [new.pk, old.pk]
    assert listed(admin, "o=-5", FAILURES) == [old.pk, new.pk]
    assert listed(admin, "q=oserr", FAILURES) == [old.pk]
    assert len(listed(admin, "q=handlers.py", FAILURES)) == 2
    assert "in those last seen from " in admin.get(f"{FAILURES}?q=oserr").content.decode()


def test_chips_count_groups_by_state(admin: Client) -> None:
    group(), group("OSError", state="muted")
    (states, _) = admin.get(FAILURES).context["cl"].chips
    assert [(chip.text, chip.rows) for chip in states.chips][1:] == [
        ("Open", "1"),
        ("Acknowledged", "0"),
        ("Muted", "1"),
        ("Resolved", "0"),
    ]
