"""Failure groups in the admin: people fix one line, then all of its payloads continue."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.admin.lists import confirm
from notifications.admin.lists.cells import since
from notifications.admin.payloads import moves
from notifications.models import FailureGroup, RawPayload, State
from tests.support.admin import FAILURES, LIST, TRACEBACK, act, group, page, payload, staff

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
    assert ">stripe<" in text
    assert str(since(first)) in text
    assert str(since(last)) in text


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
