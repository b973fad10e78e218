"""Failed deliveries in the admin."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.models import FailedDelivery, Position
from tests.support.admin import FAILED, TRACEBACK, act, staff

pytestmark = pytest.mark.django_db


def failed(text: str = "x", *, reason: str = "is_archived", **columns: Any) -> FailedDelivery:
    values = {"channel": "SLACK", "event_time": timezone.now(), **columns}
    return FailedDelivery.objects.create(text=text, reason=reason, **values)


def asked() -> list[str]:
    """Those that are to be sent again."""
    now = timezone.now()
    return list(FailedDelivery.objects.filter(again_at__lte=now).order_by("pk").values_list("text", flat=True))


def test_failed_deliveries_are_listed_without_their_data(admin: Client) -> None:
    for _ in range(3):
        failed("one\ntwo", reason=TRACEBACK)

    with CaptureQueriesContext(connection) as queries:
        text = admin.get(FAILED).content.decode()

    assert "ValueError: &lt;b&gt;nope&lt;/b&gt;" in text
    sqls = [query["sql"] for query in queries if "notifications_faileddelivery" in query["sql"]]
    assert len(sqls) == 1
    assert not any('"data"' in sql or "COUNT(" in sql for sql in sqls)


def test_failed_deliveries_by_channel_and_by_whether_they_are_sent_again(admin: Client) -> None:
    for channel in ("SLACK", "OPS"):
        Position.objects.create(machine="m", journal="j", channel=channel)
    first, second = failed(), failed(channel="OPS", again_at=timezone.now())

    def found(query: str) -> list[int]:
        return [row.pk for row in admin.get(f"{FAILED}?{query}").context["cl"].result_list]

    assert found("channel=SLACK") == found("again=no") == [first.pk]
    assert found("channel=OPS") == found("again=yes") == [second.pk]
    assert found("again=x") == found("channel=%00") == []
    assert "?channel=OPS" in admin.get(FAILED).content.decode()
    assert admin.get(f"{FAILED}?data__has_key=x").status_code == 400


def test_send_again(admin: Client, caplog: pytest.LogCaptureFixture) -> None:
    chosen, other = failed("a"), failed("b")
    later = timezone.now() + timedelta(minutes=1)
    waiting = failed("c", again_at=later)

    with caplog.at_level(logging.INFO):
        answer = act(admin, "send_again", chosen, waiting, address=FAILED)

    assert "To be sent again: 1. Left alone: 1, because they already wait for it." in answer
    assert asked() == ["a"]
    waiting.refresh_from_db()
    assert waiting.again_at == later
    assert "root had 1 failed deliveries sent again" in caplog.text
    assert FailedDelivery.objects.get(pk=other.pk).again_at is None


def test_send_all_with_the_same_reason_again(admin: Client) -> None:
    chosen = failed("a")
    FailedDelivery.objects.bulk_create(
        FailedDelivery(channel="SLACK", event_time=chosen.event_time, text="same", reason=chosen.reason)
        for _ in range(300)
    )
    also = failed("b", reason=TRACEBACK)
    failed("other reason", reason="no_text")
    failed("other channel", channel="OPS")

    answer = act(admin, "send_same_again", chosen, also, address=FAILED)

    assert "To be sent again: 302." in answer
    assert asked() == ["a", *["same"] * 300, "b"]


def test_all_on_every_page_are_sent_again(admin: Client) -> None:
    FailedDelivery.objects.bulk_create(
        FailedDelivery(channel="SLACK", event_time=timezone.now(), text="x", reason="y") for _ in range(150)
    )
    first = failed()
    page_text = admin.get(FAILED).content.decode()
    assert "Select all that match, on every page" in page_text

    answer = act(admin, "send_again", first, address=FAILED, select_across="1")

    assert "To be sent again: 151." in answer


def test_the_page_of_one_says_when_it_is_sent_again(admin: Client) -> None:
    one = failed("<b>", author_known=False)
    text = admin.get(f"{FAILED}{one.pk}/change/").content.decode()
    assert 'value="send_again"' in text
    assert 'value="send_same_again"' in text
    assert "unknown: a plain line" in text

    act(admin, "send_again", one, address=FAILED)
    assert "waiting for 0\N{NO-BREAK SPACE}s" in admin.get(FAILED).content.decode()
    FailedDelivery.objects.update(again_at=timezone.now() + timedelta(seconds=95))
    text = admin.get(f"{FAILED}{one.pk}/change/").content.decode()
    assert 'value="send_again"' not in text
    assert "(in 1\N{NO-BREAK SPACE}min)" in text
    assert "(in 1\N{NO-BREAK SPACE}min)" in admin.get(FAILED).content.decode()


@pytest.mark.parametrize("action", ["send_again", "send_same_again"])
def test_sending_again_takes_the_permission_to_change_failed_deliveries(action: str) -> None:
    one = failed("a")
    looker = staff("view_faileddelivery", "delete_faileddelivery")
    assert "send_again" not in looker.get(f"{FAILED}{one.pk}/change/").content.decode()
    act(looker, action, one, address=FAILED)
    assert asked() == []

    User.objects.all().delete()
    operator = staff("change_faileddelivery")
    assert operator.get(f"{FAILED}?action={action}&_selected_action={one.pk}").status_code == 400
    assert asked() == []  # a GET asks for nothing
    act(operator, action, one, address=FAILED)
    assert asked() == ["a"]


def test_sending_again_wants_a_token(admin: Client) -> None:
    one = failed("a")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())
    data = {"action": "send_again", "index": "0", "_selected_action": str(one.pk)}
    assert strict.post(FAILED, data).status_code == 403
    assert asked() == []
