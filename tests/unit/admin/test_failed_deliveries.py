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

from notifications.admin.deliveries import groups
from notifications.models import FailedDelivery, Position
from notifications.utils.reason_fingerprint import reason_fingerprint
from tests.support.admin import FAILED, TRACEBACK, act, listed, staff

pytestmark = pytest.mark.django_db


def failed(text: str = "x", *, reason: str = "is_archived", **columns: Any) -> FailedDelivery:
    alike = {"reason": reason, "fingerprint": reason_fingerprint(reason)}
    values = {"channel": "SLACK", "event_time": timezone.now(), **alike, **columns}
    return FailedDelivery.objects.create(text=text, **values)


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
    assert len(sqls) == 5  # groups, their first and last, what waits of them and for a chip; the list
    assert not any('"data"' in sql for sql in sqls)


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
        FailedDelivery(
            channel="SLACK", event_time=chosen.event_time, text="same", reason="x", fingerprint=chosen.fingerprint
        )
        for _ in range(300)
    )
    also = failed("b", reason=TRACEBACK)
    failed("other reason", reason="no_text")
    failed("other channel", channel="OPS")

    answer = act(admin, "send_same_again", chosen, also, address=FAILED)

    assert "To be sent again: 302." in answer
    assert asked() == ["a", *["same"] * 300, "b"]


def test_what_an_older_release_wrote_is_sent_again_by_its_exact_reason(admin: Client) -> None:
    chosen, _, _ = (failed(text, fingerprint="", reason=reason) for text, reason in zip("abc", "xxy", strict=True))
    assert "Send all again" not in admin.get(FAILED).content.decode()  # they may have several reasons
    act(admin, "send_same_again", chosen, address=FAILED)
    assert asked() == ["a", "b"]


def test_failed_deliveries_are_grouped_by_channel_and_reason(admin: Client) -> None:
    for number in range(3):
        failed(f"a{number}", reason=f"hooks.example.org answered 410: gone (it said: order {number})")
    other = failed("b", reason="hooks.example.org answered 404: gone")
    failed("c", channel="OPS", reason="hooks.example.org answered 404: gone", again_at=timezone.now())
    Position.objects.create(machine="m", journal="j", channel="SLACK")

    answer = admin.get(FAILED)
    found = answer.context["groups"]
    assert [(group.channel, group.rows, group.again) for group in found] == [
        ("OPS", 1, 1),
        ("SLACK", 1, 0),
        ("SLACK", 3, 0),
    ]
    assert found[2].example == "hooks.example.org answered 410: gone (it said: order 2)"
    assert answer.content.decode().count(">Send all again<") == 2
    assert listed(admin, found[1].address, FAILED) == [other.pk]
    assert len(listed(admin, found[2].address, FAILED)) == 3
    assert "groups" not in admin.get(f"{FAILED}?{found[2].address}").context

    said = act(admin, "send_same_again", FailedDelivery(pk=found[2].pk), address=FAILED)
    assert "To be sent again: 3." in said
    assert [(group.rows, group.again) for group in admin.get(FAILED).context["groups"]][2] == (3, 3)


def test_only_the_last_groups_are_shown(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "SHOWN", 2)
    for name in "abc":
        failed(reason=name)
    answer = admin.get(FAILED)
    assert [group.example for group in answer.context["groups"]] == ["c", "b"]
    assert "And 1 more" in answer.content.decode()


@pytest.mark.parametrize("query", ["reason=nope", "reason=%00", f"reason={'0' * 32}", "reason=none&channel=%00"])
def test_a_reason_that_is_none_shows_nothing(admin: Client, query: str) -> None:
    failed()
    assert listed(admin, query, FAILED) == []


def test_a_part_of_the_reason_or_the_text_is_searched(admin: Client) -> None:
    wanted, _ = failed("Ada signed up"), failed("Bob signed up")
    assert listed(admin, "q=ada", FAILED) == [wanted.pk]
    assert len(listed(admin, "q=ARCHIVED", FAILED)) == 2


def test_the_oldest_come_first_if_that_is_asked_for(admin: Client) -> None:
    pks = [failed(text).pk for text in "abc"]
    assert listed(admin, "o=2", FAILED) == listed(admin, "", FAILED) == pks[::-1]
    assert listed(admin, "o=-2", FAILED) == pks
    now = timezone.now()
    FailedDelivery.objects.filter(pk=pks[0]).update(again_at=now + timedelta(hours=1))
    FailedDelivery.objects.filter(pk=pks[1]).update(again_at=now)
    assert listed(admin, "again=yes", FAILED) == [pks[0], pks[1]]  # the last to be sent first
    assert listed(admin, "again=yes&o=2", FAILED) == [pks[1], pks[0]]
    assert listed(admin, "again=yes&o=-2", FAILED) == [pks[0], pks[1]]
    assert 'aria-sort="descending"' in admin.get(f"{FAILED}?o=-2").content.decode()


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
