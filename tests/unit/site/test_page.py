import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core import signing
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from notifications.channels.slack import Slack
from notifications.events.event import Event
from notifications.handlers import autodiscover, event_handlers
from notifications.models import RawPayload
from notifications.signals import event_delivered, payload_failed
from proppy.middleware import Trace, trace_of
from proppy.models import STEPS_KEPT, Step
from proppy.page import live_parts
from proppy.s3 import storage_options
from proppy.visits import COOKIE, SALT, Visit, own_visits, remember
from tests.support.in_process import Told, work_off

pytestmark = pytest.mark.django_db(transaction=True)

EVIL = "<script>alert(1)</script>"
ADA = {"name": EVIL, "email": "ada@example.org"}


def deliver(events: list[Event]) -> None:
    """What follow_journal does with them, without telling anybody outside."""
    autodiscover()
    for event in events:
        if event.name in event_handlers:
            event_handlers[event.name](event)
        else:
            event_delivered.send(sender=None, channel=event.name, event=event, milliseconds=1.5)


class TestTrace:
    def test_each_request_has_an_id_of_its_own_whatever_the_client_sent(self, client: Client) -> None:
        answers = [client.get("/sign-in/", headers={"X-Request-ID": "forged"}) for _ in range(2)]

        ids = [answer["X-Request-ID"] for answer in answers]
        assert all(re.fullmatch(r"[0-9a-f]{32}", request_id) for request_id in ids)
        assert ids[0] != ids[1]
        assert answers[0].wsgi_request.META["HTTP_X_REQUEST_ID"] == ids[0]
        assert trace_of(answers[0].wsgi_request) == ids[0]

    @pytest.mark.parametrize(("method", "path"), [("get", "/"), ("post", "/in/demo/"), ("post", "/sign-in/")])
    def test_only_the_three_forms_are_told(self, client: Client, told: Told, method: str, path: str) -> None:
        client.generic(method.upper(), path, b"x")
        assert told.lines() == []
        assert COOKIE not in client.cookies

    def test_tells_what_the_request_cost(self, client: Client, told: Told) -> None:
        answer = client.post("/sign-up/", ADA)
        [event] = [event for event in told.events() if event.name == "TRACE"]
        assert event.data["trace"] == answer["X-Request-ID"]
        assert event.data["what"] == "Sign-up"
        assert event.data["ms"] > 0

    def test_follows_only_what_went_well(self, client: Client) -> None:
        client.post("/sign-up/", ADA | {"email": ""})
        assert COOKIE not in client.cookies
        client.post("/sign-up/", ADA)
        assert COOKIE in client.cookies

    def test_writes_nothing_to_the_database(self, django_assert_num_queries: Any) -> None:
        request = RequestFactory().post("/in/contact/", b"x", content_type="text/plain")
        answer = HttpResponse(status=303, headers={"Location": "/?receipt=1"})
        with django_assert_num_queries(0):
            assert Trace(lambda _: answer)(request).cookies[COOKIE].value


class TestVisits:
    def visit(self, trace: str = "a" * 32) -> Visit:
        return Visit(trace, timezone.now().replace(microsecond=0), "Sign-up")

    def test_come_back_with_the_cookie_the_latest_only(self) -> None:
        visits = [self.visit(letter * 32) for letter in "abcdefgh"]
        answer = HttpResponse()
        remember(answer, visits)
        cookie = answer.cookies[COOKIE]

        request = RequestFactory().get("/")
        request.COOKIES[COOKIE] = cookie.value
        assert own_visits(request) == visits[:5]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert cookie["secure"]
        assert len(cookie.value) < 1000

    @pytest.mark.parametrize("value", ["", "x", "a:b:c", signing.dumps([["a" * 32, 0, "Sign-up"]], salt="another")])
    def test_cannot_be_forged(self, value: str) -> None:
        request = RequestFactory().get("/")
        request.COOKIES[COOKIE] = value
        assert own_visits(request) == []

    def test_are_forgotten_after_a_day(self, monkeypatch: pytest.MonkeyPatch) -> None:
        request = RequestFactory().get("/")
        request.COOKIES[COOKIE] = signing.dumps([self.visit().packed()], salt=SALT, compress=True)
        assert len(own_visits(request)) == 1
        two_days_later = timezone.now().timestamp() + 2 * STEPS_KEPT.total_seconds()
        monkeypatch.setattr("django.core.signing.time.time", lambda: two_days_later)
        assert own_visits(request) == []


class TestLives:
    def test_show_each_step_of_a_request(self, client: Client, told: Told) -> None:
        client.post("/sign-up/", ADA)
        page = client.get("/activity/")
        assert page.context["lives"][0].awaited == ["the cost", "process_raw", "Slack", "the report"]
        assert "data-awaiting" in page.text

        work_off()
        deliver(told.events())

        page = client.get("/activity/")
        [life] = page.context["lives"]
        assert {bar.step.actor for bar in life.bars} == {"web", "process_raw", "SLACK", "REPORT"}
        assert life.awaited == []
        assert "data-awaiting" not in page.text
        assert "Sign-up: answered in" in page.text
        assert "Welcome mail sent" in page.text

    def test_are_escaped(self, client: Client, told: Told) -> None:
        client.post("/sign-up/", ADA)
        deliver(told.events())
        for path in ("/", "/activity/"):
            page = client.get(path).text
            assert EVIL not in page
            assert "Sent to Slack: &lt;script&gt;alert(1)&lt;/script&gt; signed up" in page

    def test_are_the_visitors_own(self, client: Client, told: Told) -> None:
        client.post("/sign-up/", ADA)
        deliver(told.events())
        assert Client().get("/activity/").context["lives"] == []

    def test_a_step_told_twice_is_kept_once(self, client: Client, told: Told) -> None:
        client.post("/sign-up/", ADA)
        events = told.events()
        deliver(events)
        deliver(events)
        assert Step.objects.count() == 3

    def test_a_failed_attempt_shows_without_its_reason(self, client: Client) -> None:
        client.post("/sign-up/", ADA)
        autodiscover()
        payload = RawPayload.objects.get()
        payload.attempts = 1
        payload_failed.send(sender=RawPayload, payload=payload, error="secret detail", final=False)

        page = client.get("/activity/").text
        assert "Attempt 1 failed: it is tried again" in page
        assert "secret detail" not in page

    def test_old_steps_are_deleted(self, client: Client, told: Told) -> None:
        old = timezone.now() - 2 * STEPS_KEPT
        Step.objects.create(trace="old", actor="web", ref="answer", what="x", at=old, milliseconds=1)
        client.post("/sign-up/", ADA)
        deliver(told.events())
        assert not Step.objects.filter(trace="old").exists()

    @pytest.mark.parametrize("data", [{}, {"trace": 7}, {"trace": "x" * 99}, {"trace": "", "ms": "much"}])
    def test_strange_events_are_left_alone(self, data: dict[str, Any]) -> None:
        deliver([Event("TRACE", "x", timezone.now(), data, "1:1"), Event("SLACK", "x", timezone.now(), data, "1:2")])
        assert not Step.objects.exists()

    def test_text_that_no_database_takes_is_kept_all_the_same(self) -> None:
        deliver([Event("SLACK", "\0 and \ud800", timezone.now(), {"trace": "a" * 32}, "1:1")])
        assert Step.objects.get().what.startswith("Sent to Slack: \ufffd and ? ")

    @pytest.mark.parametrize(
        ("token", "what"),
        [("xoxb-1", "Sent to Slack: Hi"), (" ", "Sent to Slack: Hi (printed in the terminal: no SLACK_WEBHOOK_URL)")],
    )
    def test_say_where_slacks_messages_went(self, settings: Any, token: str, what: str) -> None:
        slack = {"class": "notifications.channels.slack.Slack", "token": token}
        settings.NOTIFICATIONS_CHANNELS = {"SLACK": slack}
        deliver([Event("SLACK", "Hi", timezone.now(), {"trace": "a" * 32}, "1:1")])
        assert Step.objects.get().what == what

    def test_have_milliseconds_that_can_be_read(self) -> None:
        deliver([Event("TRACE", "x", timezone.now(), {"trace": "a" * 32, "ms": 2.338094999686291}, "1:1")])
        assert Step.objects.get().milliseconds == 2.3

    @pytest.mark.parametrize(
        ("seconds", "is_late", "is_awaiting"), [(1, False, True), (10, True, True), (90, True, False)]
    )
    def test_what_does_not_come_is_called_late_and_no_longer_asked_for(
        self, seconds: int, is_late: bool, is_awaiting: bool
    ) -> None:
        started = timezone.now() - timedelta(seconds=seconds)
        parts = live_parts([Visit("a" * 32, started, "Sign-up")], AnonymousUser(), None)
        assert parts["lives"][0].is_late is is_late
        assert parts["awaiting"] is is_awaiting

    def test_bars_stay_on_the_line_though_clocks_differ(self) -> None:
        now = timezone.now()
        for number, (after, took) in enumerate([(0, 3.0), (-50, 1.0), (400, 0.0), (100, 900.0)]):
            at = now + timedelta(milliseconds=after)
            actor = "web" if number == 0 else "process_raw"
            Step.objects.create(trace="a", actor=actor, ref=str(number), what="x", at=at, milliseconds=took)
        [life] = live_parts([Visit("a", now, "Sign-up")], AnonymousUser(), None)["lives"]
        assert all(bar.x >= 0 and bar.width >= 6 and bar.x + bar.width <= 1001 for bar in life.bars)
        assert all(bar.after >= 0 for bar in life.bars)


@pytest.mark.parametrize("path", ["/", "/sign-up/", "/sign-in/", "/activity/"])
def test_pages_hold_no_inline_style_or_script(client: Client, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert "style=" not in page.text
    assert not re.search(r"<script(?![^>]* src=)", page.text)
    assert not re.search(r"\son[a-z]+=", page.text)


def test_a_page_that_is_not_there_is_friendly(client: Client) -> None:
    page = client.get("/nothing/")
    assert page.status_code == 404
    assert "There is nothing here" in page.text


def test_browsers_that_guess_the_icons_address_get_it(client: Client) -> None:
    answer = client.get("/favicon.ico")
    assert (answer.status_code, answer["Location"]) == (301, "/static/proppy/favicon.svg")


def test_each_line_is_logged_once() -> None:
    """dictConfig takes the handlers of Django's own defaults away: root's is the only one."""
    django = logging.getLogger("django")
    assert (django.handlers, django.propagate) == ([], True)


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\rb", "a\u2028b"])
def test_line_ends_in_a_name_are_spaces_on_the_console(capsys: pytest.CaptureFixture[str], text: str) -> None:
    Slack("SLACK").deliver([Event("SLACK", text, timezone.now(), {}, "1:1")])
    assert capsys.readouterr().out.endswith(": a b\n")


def test_the_admin_lists_what_the_product_stores(admin_client: Client) -> None:
    admin_client.post("/sign-up/", ADA)
    Step.objects.create(trace="a", actor="web", ref="answer", what=EVIL, at=timezone.now(), milliseconds=1)
    for model in ("photo", "contactmessage", "step"):
        page = admin_client.get(f"/admin/proppy/{model}/")
        assert page.status_code == 200
        assert EVIL not in page.text


def test_s3_is_private_and_has_time_outs() -> None:
    options = storage_options("photos", "http://127.0.0.1:9000")
    config = options["client_config"]
    assert (options["default_acl"], options["querystring_auth"], options["file_overwrite"]) == (None, True, True)
    assert (config.connect_timeout, config.read_timeout) == (5, 30)
    assert config.request_checksum_calculation == "when_required"
    assert config.s3 == {"addressing_style": "path"}


@pytest.mark.parametrize("endpoint", ["", "https://s3.eu-central-1.amazonaws.com"])
def test_aws_itself_gets_checksums(endpoint: str) -> None:
    assert storage_options("photos", endpoint)["client_config"].request_checksum_calculation != "when_required"
