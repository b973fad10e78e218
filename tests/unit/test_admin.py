import logging
import os
import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications import keep
from notifications.admin import bodies, moves
from notifications.admin.cells import duration, last_line
from notifications.admin.filters import StateFilter, search
from notifications.body_view import LIMIT
from notifications.events import process_outbox
from notifications.follow.positions import Key, Lock, machine_id
from notifications.models import FailedDelivery, Loss, Position, RawPayload, Refusal, ReportRow, State

pytestmark = pytest.mark.django_db

LIST = "/admin/notifications/rawpayload/"
EVIL = "<script>alert(1)</script>\u202e"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e"
TRACEBACK = 'Traceback (most recent call last):\n  File "handlers.py", line 1\nValueError: <b>nope</b>\n'
MODELS = ["rawpayload", "position", "faileddelivery", "loss", "refusal", "reportrow"]
FAILED = "/admin/notifications/faileddelivery/"


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def payload(body: bytes = b"{}", content_type: str = "", **columns: Any) -> RawPayload:
    receipt = keep("demo", body, content_type=content_type, headers=columns.pop("headers", {}))
    RawPayload.objects.filter(receipt=receipt).update(**columns)
    return RawPayload.objects.get(receipt=receipt)


def page(client: Client, stored: RawPayload) -> str:
    answer = client.get(f"{LIST}{stored.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def act(client: Client, action: str, *stored: Model, address: str = LIST, **more: str) -> str:
    data = {"action": action, "index": "0", "_selected_action": [str(one.pk) for one in stored], **more}
    return client.post(address, data, follow=True).content.decode()


def everything() -> dict[str, int]:
    """One row of each model, full of markup; the primary key of each."""
    now = timezone.now()
    stored = payload(
        EVIL.encode(),
        EVIL,
        headers={EVIL: EVIL},
        **dict.fromkeys(["source", "method", "path", "query", "remote_addr", "idempotency_key", "error"], EVIL),
    )
    tell = {"channel": EVIL, "reason": EVIL, "text": EVIL, "event_id": EVIL}
    where = {"machine": EVIL, "journal": EVIL}
    entry = {"reason": EVIL, "name": EVIL, "author": EVIL, "example": EVIL, "since": now, "until": now}
    return {
        "rawpayload": stored.pk,
        "position": Position.objects.create(channel=EVIL, cursor=EVIL, entry_time=now, problem=EVIL, **where).pk,
        "faileddelivery": FailedDelivery.objects.create(event_time=now, data={EVIL: [EVIL]}, **tell).pk,
        "loss": Loss.objects.create(origin=EVIL, channel=EVIL, reason=EVIL, key=EVIL, until=now).pk,
        "refusal": Refusal.objects.create(count=7, **entry, **where).pk,
        "reportrow": ReportRow.objects.create(name=EVIL, day=now.date(), count=3).pk,
    }


@pytest.mark.parametrize("model", MODELS)
def test_every_page_opens_and_escapes_what_it_shows(admin: Client, model: str) -> None:
    pk = everything()[model]

    for address in (
        reverse(f"admin:notifications_{model}_{name}", args=args)
        for name, args in (("changelist", []), ("change", [pk]))
    ):
        answer = admin.get(address)
        text = answer.content.decode()
        assert answer.status_code == 200
        assert SHOWN in text
        assert "<script>alert" not in text
        assert "\u202e" not in text
        assert " style=" not in text


@pytest.mark.parametrize("model", MODELS)
def test_nothing_can_be_added_or_changed(admin: Client, model: str) -> None:
    pk = everything()[model]

    assert admin.get(f"/admin/notifications/{model}/add/").status_code == 403
    assert admin.post(f"/admin/notifications/{model}/{pk}/change/", {}).status_code == 403


def test_only_failed_deliveries_can_be_deleted(admin: Client) -> None:
    statuses = {
        model: admin.post(f"/admin/notifications/{model}/{pk}/delete/", {"post": "yes"}).status_code
        for model, pk in everything().items()
    }

    assert statuses == {**dict.fromkeys(MODELS, 403), "faileddelivery": 302}
    assert not FailedDelivery.objects.exists()


def test_the_admin_is_for_staff() -> None:
    stored = payload()

    for address in ("", f"{stored.pk}/change/", f"{stored.pk}/body/"):
        assert Client().get(LIST + address).status_code == 302
        assert staff_without_rights().get(LIST + address).status_code == 403


def staff_without_rights() -> Client:
    client = Client()
    client.force_login(User.objects.get_or_create(username="nobody", is_staff=True)[0])
    return client


# The list


def test_the_list_neither_counts_nor_loads_bodies(admin: Client) -> None:
    for _ in range(3):
        payload(b"secret", error=TRACEBACK)

    with CaptureQueriesContext(connection) as few:
        answer = admin.get(LIST)
    RawPayload.objects.bulk_create(
        RawPayload(source="demo", inline_body=b"secret", size=6, received_at=timezone.now()) for _ in range(20)
    )
    with CaptureQueriesContext(connection) as more:
        admin.get(LIST)

    assert len(few) == len(more)
    queries = [query["sql"] for query in more if "notifications_rawpayload" in query["sql"]]
    assert len(queries) == 2
    for sql in queries:
        assert "COUNT(" not in sql.upper()
        assert '"inline_body"' not in sql
        assert '"headers_json"' not in sql
    assert "ValueError: &lt;b&gt;nope&lt;/b&gt;" in answer.content.decode()
    assert "Traceback" not in answer.content.decode()


def test_pages_know_of_the_next_one_alone(admin: Client) -> None:
    RawPayload.objects.bulk_create(
        RawPayload(source="demo", inline_body=b"", size=0, received_at=timezone.now()) for _ in range(250)
    )
    newest = list(RawPayload.objects.order_by("-pk").values_list("pk", flat=True))

    first, second, third = (admin.get(LIST, {"p": number}) for number in (1, 2, 3))

    assert [row.pk for row in first.context["cl"].result_list] == newest[:100]
    assert [row.pk for row in second.context["cl"].result_list] == newest[100:200]
    assert [row.pk for row in third.context["cl"].result_list] == newest[200:]
    assert "?p=2" in first.content.decode()
    assert "?p=3" not in first.content.decode()
    assert "Select all that match" in first.content.decode()
    assert "?p=4" not in third.content.decode()


@pytest.mark.parametrize(
    "query", ["p=0", "p=-1", "p=x", "p=²", "all=", "o=2", "_facets=True", "state=nope", f"p={10**30}", "e=1"]
)
def test_odd_addresses_do_no_harm(admin: Client, query: str) -> None:
    payload()

    with CaptureQueriesContext(connection) as queries:
        assert admin.get(f"{LIST}?{query}").status_code in {200, 302}
    assert not any("COUNT(" in each["sql"].upper() for each in queries)


@pytest.mark.parametrize("lookup", ["body__startswith=s", "error__contains=s", "headers_json__gt=s", "state__in=done"])
def test_lookups_in_the_address_tell_nothing(admin: Client, lookup: str) -> None:
    payload(b"secret")

    assert admin.get(f"{LIST}?{lookup}").status_code == 400


def test_filters_and_search(admin: Client) -> None:
    dead = payload(state=State.DEAD, next_attempt_at=None)
    retrying = payload(state=State.RETRYING)
    keyed = RawPayload.objects.get(receipt=keep("contact", b"", key="order-7%"))

    def found(query: str) -> list[int]:
        return [row.pk for row in admin.get(f"{LIST}?{query}").context["cl"].result_list]

    assert found("state=dead") == [dead.pk]
    assert found("state=retrying") == [retrying.pk]
    assert found("source=contact") == found("q=order-7%25") == found("q=+order-7%25+") == [keyed.pk]
    assert found(f"q={dead.receipt}") == found(f"q={dead.receipt.hex}") == [dead.pk]
    assert found("q=order") == found("q=%25") == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plan depends on how much there is")
def test_filters_and_search_use_indexes() -> None:
    def plan(rows: Any) -> str:
        return str(rows.order_by("-pk").defer("inline_body")[:101].explain())

    def in_state(state: State) -> Any:
        by_state = StateFilter(None, {"state": [state]}, RawPayload, None)  # type: ignore[arg-type]  # it looks at neither
        return by_state.queryset(None, RawPayload.objects.all())  # type: ignore[arg-type]

    assert "raw_stuck" in plan(in_state(State.DEAD))
    assert "raw_due" in plan(in_state(State.RETRYING))
    found = plan(search(RawPayload.objects.all(), str(uuid.uuid4())))
    assert "raw_key" in found
    assert "SCAN" not in found


# One payload


def test_the_page_shows_body_headers_and_traceback(admin: Client) -> None:
    text = page(
        admin,
        payload(b'{"a":[1]}', "application/json", headers={"x-b": "2"}, error=TRACEBACK, attempts=3, state="dead"),
    )

    assert "{\n  &quot;a&quot;: [\n    1\n  ]\n}" in text
    assert "<td>2</td>" in text
    assert "3 of 16" in text
    assert "Traceback (most recent call last):\n  File &quot;handlers.py&quot;" in text


@pytest.mark.parametrize(
    ("body", "content_type", "shown"),
    [
        (b"name=%3Cscript%3E", "application/x-www-form-urlencoded", '<th scope="row">name</th><td>&lt;script&gt;</td>'),
        (
            b'--XX\r\nContent-Disposition: form-data; name="<b>"; filename="<i>"\r\n\r\n<u>\r\n--XX--',
            "multipart/form-data; boundary=XX",
            "<strong>&lt;b&gt;</strong>, file <code>&lt;i&gt;</code>",
        ),
        (b"<script>\0", "text/html", "00000000  3c 73 63 72 69 70 74 3e 00"),
        (b"", "", "The body is empty."),
    ],
)
def test_bodies_of_all_kinds(admin: Client, body: bytes, content_type: str, shown: str) -> None:
    assert shown in page(admin, payload(body, content_type))


def test_headers_that_no_text_encoding_takes_are_shown(admin: Client) -> None:
    assert "<td>a\\ud800\\u0000</td>" in page(admin, payload(headers={"x": "a\ud800\0"}))


def test_only_the_start_of_a_large_body_is_loaded(admin: Client) -> None:
    stored = payload(b"x" * LIMIT + b"the end")

    with CaptureQueriesContext(connection) as queries:
        text = page(admin, stored)

    assert "Cut: this is only its start." in text
    assert "x" * LIMIT in text
    assert "the end" not in text
    touching = [query["sql"] for query in queries if '"inline_body"' in query["sql"]]
    assert len(touching) == 1
    assert "SUBSTR" in touching[0].upper()


def test_bodies_take_a_permission_of_their_own() -> None:
    stored = payload(b"secret")
    client = staff("view_rawpayload")

    text = page(client, stored)
    assert "You may not see bodies." in text
    assert "secret" not in text
    assert "Process again" not in text
    assert client.get(f"{LIST}{stored.pk}/body/").status_code == 403


def test_the_permission_for_bodies_alone_opens_nothing() -> None:
    assert staff("view_body").get(f"{LIST}{payload().pk}/body/").status_code == 403


def test_who_may_see_bodies_sees_and_downloads_them() -> None:
    stored = payload(b"secret")
    client = staff("view_rawpayload", "view_body")

    assert "secret" in page(client, stored)
    assert client.get(f"{LIST}{stored.pk}/body/").status_code == 200


def test_the_download_is_a_file_that_no_browser_runs(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PIECE", 100)
    body = bytes(range(256)) * 2
    stored = payload(body, "text/html")

    answer: Any = admin.get(f"{LIST}{stored.pk}/body/")

    assert b"".join(answer.streaming_content) == body
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == f'attachment; filename="{stored.receipt}.bin"'
    assert answer["Content-Length"] == "512"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("pk", ["0", str(10**30)])
def test_a_download_of_nothing_is_not_found(admin: Client, pk: str) -> None:
    assert admin.get(f"{LIST}{pk}/body/").status_code == 404


def test_a_download_is_only_read(admin: Client) -> None:
    assert admin.post(f"{LIST}{payload().pk}/body/").status_code == 405


# Actions


@pytest.mark.parametrize("state", [State.DONE, State.DEAD, State.RETRYING])
def test_process_again_hands_it_to_the_workers_as_if_new(
    admin: Client, state: State, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(moves, "wake", lambda: woken.append("woken"))
    stored = payload(state=state, attempts=16, error=TRACEBACK, next_attempt_at=None, done_at=timezone.now())

    with django_capture_on_commit_callbacks(execute=True):
        answer = act(admin, "process_again", stored)

    stored.refresh_from_db()
    assert (stored.state, stored.attempts, stored.error, stored.done_at) == (State.RETRYING, 0, TRACEBACK, None)
    assert stored.next_attempt_at is not None
    assert stored.next_attempt_at <= timezone.now()
    assert woken == ["woken"]
    assert "To be processed again: 1.</li>" in answer


@pytest.mark.parametrize("state", [State.RECEIVED, State.QUARANTINED, State.RETRYING])
def test_give_up_makes_it_dead_and_says_who_did(admin: Client, state: State) -> None:
    stored, blank = payload(state=state, error=TRACEBACK), payload(state=state)

    assert "Given up: 2.</li>" in act(admin, "give_up", stored, blank)

    stored.refresh_from_db()
    blank.refresh_from_db()
    assert (stored.state, stored.next_attempt_at) == (State.DEAD, None)
    assert stored.error == f"{TRACEBACK}\nGiven up by root"
    assert blank.error == "Given up by root"


@pytest.mark.parametrize("action", ["process_again", "give_up"])
def test_what_a_worker_has_is_left_alone(admin: Client, action: str) -> None:
    until = timezone.now() + timedelta(seconds=60)
    stored = payload(state=State.PROCESSING, lease_token=uuid.uuid4(), lease_until=until, next_attempt_at=until)
    before = RawPayload.objects.values().get(pk=stored.pk)

    assert "Left alone: 1, because" in act(admin, action, stored)

    assert RawPayload.objects.values().get(pk=stored.pk) == before


def test_done_is_not_given_up_and_waiting_not_started_over(admin: Client) -> None:
    done, later = (
        payload(state=State.DONE, next_attempt_at=None),
        payload(next_attempt_at=timezone.now() + timedelta(days=1)),
    )

    act(admin, "give_up", done)
    act(admin, "process_again", later)

    assert RawPayload.objects.get(pk=done.pk).state == State.DONE
    assert RawPayload.objects.get(pk=later.pk).next_attempt_at == later.next_attempt_at


def test_all_that_match_are_moved_on_every_page(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "BATCH", 2)
    dead = [payload(state=State.DEAD, next_attempt_at=None) for _ in range(5)]
    other = payload(state=State.DONE, next_attempt_at=None)
    data = {"action": "process_again", "index": "0", "_selected_action": str(dead[0].pk), "select_across": "1"}

    answer = admin.post(f"{LIST}?state=dead", data, follow=True)

    assert "To be processed again: 5." in answer.content.decode()
    assert RawPayload.objects.filter(state=State.RETRYING).count() == 5
    assert RawPayload.objects.get(pk=other.pk).state == State.DONE


def test_actions_take_the_permission_to_change_payloads() -> None:
    stored = payload(state=State.DEAD)

    act(staff("view_rawpayload", "view_body"), "process_again", stored)
    assert RawPayload.objects.get(pk=stored.pk).state == State.DEAD

    User.objects.all().delete()
    operator = staff("change_rawpayload")
    assert "Process again" in page(operator, stored)
    act(operator, "process_again", stored)
    assert RawPayload.objects.get(pk=stored.pk).state == State.RETRYING


# The tell lane


def test_channels_show_how_they_are_doing(admin: Client, state_dir: Path, django_assert_num_queries: Any) -> None:
    now, journal = timezone.now(), process_outbox().journal
    journal.clear()  # type: ignore[attr-defined]  # of a MemoryJournal
    for text in ("a", "b"):
        journal.write(journal.encode({"MESSAGE": f"SLACK: {text}", "PROPPY_EVENT": "SLACK"}))
    times = {"entry_time": now - timedelta(minutes=5, seconds=9), "delivered_at": now - timedelta(hours=2, seconds=9)}
    stuck = {"waiting": 3, "next_attempt_at": now + timedelta(seconds=90), "problem": "Slack answered 503\nand so on"}
    ours = {"machine": machine_id(), "journal": "memory://"}
    slack = Position.objects.create(channel="SLACK", **times, **stuck, **ours)
    Position.objects.create(channel="REPORT", machine="another", journal="memory://")
    FailedDelivery.objects.create(channel="SLACK", event_time=now, text="x", reason="y", again_at=now)
    Loss.objects.create(origin="o", channel="SLACK", reason="r", count=312, key="1", until=now)
    Loss.objects.create(origin="o", channel="SLACK", reason="r", count=None, key="2", until=now)
    lock = Lock(Key(ours["machine"], "memory://", "SLACK"))

    with django_assert_num_queries(7):  # session, user, count, positions, twice failed, lost
        answer = admin.get("/admin/notifications/position/")
    pages = [answer.content.decode(), admin.get(f"/admin/notifications/position/{slack.pk}/change/").content.decode()]
    lock.close()

    assert "<h1>Channels</h1>" in pages[0]
    assert pages[0].index("REPORT") < pages[0].index("SLACK")
    assert ">5\N{NO-BREAK SPACE}min</time>" in pages[0]
    assert ">2\N{NO-BREAK SPACE}h</time>" in pages[0]
    assert ">3, next try in 1\N{NO-BREAK SPACE}min: Slack answered 503<" in pages[0]
    assert "and so on" not in pages[0]
    assert "and so on" in pages[1]
    for text in (page.replace("\N{NO-BREAK SPACE}", " ") for page in pages):
        assert re.search(r">2, \d+ s<", text)
        assert ">312+<" in text
        assert ">1 (1 again)<" in text
        assert f">process {os.getpid()}<" in text
    assert pages[0].count(">?<") == 2  # the other machine's lag and follower


def test_losses_and_refused_entries(admin: Client) -> None:
    now = timezone.now()
    hour_ago = now - timedelta(hours=1, seconds=9)
    Loss.objects.create(origin="o", channel="OPS", reason="r", count=3, key="1", until=now, told_at=hour_ago)
    Loss.objects.create(origin="o", reason="r", key="2", until=now)
    where = {"machine": "m", "journal": "j", "since": now, "until": hour_ago}
    long = "SLAK: one\n" + "x" * 10_000
    row = Refusal.objects.create(reason="no channel", name="SLAK", author="uid 0", count=7, example=long, **where)

    text = admin.get("/admin/notifications/loss/").content.decode()
    assert ">OPS<" in text
    assert ">all<" in text
    assert ">1\N{NO-BREAK SPACE}h</time>" in text

    text = admin.get("/admin/notifications/refusal/").content.decode()
    assert ">SLAK: one<" in text
    assert "xxx" not in text
    assert "xxx" in admin.get(f"/admin/notifications/refusal/{row.pk}/change/").content.decode()


# Failed deliveries


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
    assert len(sqls) == 2
    assert not any('"data"' in sql or "COUNT(" in sql for sql in sqls)


def test_failed_deliveries_by_channel_and_by_whether_they_are_sent_again(admin: Client) -> None:
    for channel in ("SLACK", "OPS"):
        Position.objects.create(machine="m", journal="j", channel=channel)
    first, second = failed(), failed(channel="OPS", again_at=timezone.now())

    def found(query: str) -> list[int]:
        return [row.pk for row in admin.get(f"{FAILED}?{query}").context["cl"].result_list]

    assert found("channel=SLACK") == found("again=no") == [first.pk]
    assert found("channel=OPS") == found("again=yes") == [second.pk]
    assert found("again=x") == [second.pk, first.pk]
    assert "?channel=OPS" in admin.get(FAILED).content.decode()
    assert admin.get(f"{FAILED}?data__has_key=x").status_code == 400


def test_send_again(admin: Client, caplog: pytest.LogCaptureFixture) -> None:
    chosen, other = failed("a"), failed("b")
    later = timezone.now() + timedelta(minutes=1)
    waiting = failed("c", again_at=later)

    with caplog.at_level(logging.INFO):
        answer = act(admin, "send_again", chosen, waiting, address=FAILED)

    assert "To be sent again: 1. Left alone: 1, because they wait for it already." in answer
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


def test_report_rows_come_newest_day_first(admin: Client) -> None:
    today = timezone.now().date()
    for name, day in (("b", today), ("old", today - timedelta(days=40)), ("a", today)):
        ReportRow.objects.create(name=name, day=day, count=1)

    def names(query: str) -> list[str]:
        return [row.name for row in admin.get(f"/admin/notifications/reportrow/{query}").context["cl"].result_list]

    assert names("") == ["a", "b", "old"]
    assert names(f"?day__gte={today}&day__lt={today + timedelta(days=1)}") == ["a", "b"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-3, "0 s"), (0.9, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (90_000, "1 d")]
)
def test_durations_have_one_unit(seconds: float, shown: str) -> None:
    assert duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == shown


def test_the_last_line_of_an_error_fits_into_a_list() -> None:
    assert last_line(TRACEBACK) == "ValueError: <b>nope</b>"
    assert last_line("x" * 1000) == "x" * 239 + "…"
    assert last_line("") == ""
