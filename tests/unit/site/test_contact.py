from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.contrib.auth.models import User
from django.http.multipartparser import LazyStream
from django.test import Client
from django.urls import resolve
from hypothesis import given
from hypothesis import strategies as st

from notifications import GiveUp, keep
from notifications.errors import NowhereToStore
from notifications.intake import quota
from notifications.models import RawPayload, State
from proppy.contact import parse_contact
from proppy.models import ContactMessage
from tests.support.in_process import Told, work_again, work_off

URLENCODED = "application/x-www-form-urlencoded"
FILE = 'Content-Disposition: form-data; name="f"; filename="x"\r\n'
ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "text": "Hello & good-bye"}


def multipart(fields: dict[str, str], boundary: str = "b0undary") -> tuple[bytes, str]:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    body = "".join(parts) + f"--{boundary}--\r\n"
    return body.encode(), f"multipart/form-data; boundary={boundary}"


def test_reads_urlencoded_bytes() -> None:
    assert parse_contact(urlencode(ADA).encode(), URLENCODED) == ADA


def test_reads_multipart_bytes() -> None:
    assert parse_contact(*multipart(ADA | {"name": "Zoë"})) == ADA | {"name": "Zoë"}


def test_leaves_files_of_a_multipart_body_aside() -> None:
    body, content_type = multipart(ADA)
    file = b'--b0undary\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n\0\xff\r\n'
    assert parse_contact(file + body, content_type) == ADA


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", {}),
        (b"\x00\xff\xfe garbage", {}),
        (b"name=%FF%FE", {"name": "\ufffd\ufffd"}),
        (b"name=\xe9", {"name": "\ufffd"}),
        (b"name=%", {"name": "%"}),
        (b"name=a&name=b", {"name": "b"}),
        (b"name=%ED%A0%80", {"name": "\ufffd\ufffd\ufffd"}),
        (b"&".join(b"a%d=1" % n for n in range(1000)), {}),
    ],
)
def test_reads_what_it_can(body: bytes, fields: dict[str, str]) -> None:
    assert parse_contact(body, URLENCODED) == fields


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\xff",
        "multipart/form-data; boundary=x; a*=bogus''%ff",
        "",
        "\0",
        "a/b; c",
    ],
)
def test_a_strange_content_type_is_no_form(content_type: str) -> None:
    assert parse_contact(b"--x\r\n\r\n", content_type) == {}


@given(body=st.binary(max_size=300), content_type=st.sampled_from(["", URLENCODED, multipart({})[1]]))
def test_no_bytes_break_it(body: bytes, content_type: str) -> None:
    fields = parse_contact(body, content_type)
    assert all(isinstance(value, str) for value in fields.values())
    "".join(fields.values()).encode()  # no lone surrogates, which no database takes


@pytest.mark.parametrize("head", ["", 'Content-Disposition: form-data; name="a"\r\n', FILE])
def test_many_empty_parts_are_not_copied_again_and_again(monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    """What is left of a chunk is copied at each part: with the whole body as one chunk that took seconds of CPU."""
    copied = 0
    unget = LazyStream.unget

    def count(stream: LazyStream, data: bytes) -> None:
        nonlocal copied
        copied += len(data)
        unget(stream, data)

    monkeypatch.setattr(LazyStream, "unget", count)
    part = f"--x\r\n{head}\r\n\r\n".encode()
    body = part * (2_000_000 // len(part)) + b"--x--\r\n"
    parse_contact(body, "multipart/form-data; boundary=x")
    assert copied < 200 * len(body)


@pytest.mark.django_db(transaction=True)
class TestVerdict:
    def post(self, client: Client, body: bytes, content_type: str = URLENCODED) -> Any:
        return client.post("/in/contact/", body, content_type=content_type, headers={"accept": "text/html"})

    def test_of_a_good_form(self, client: Client, told: Told) -> None:
        answer = self.post(client, urlencode(ADA).encode())
        assert answer.status_code == 303
        page = answer["Location"]
        assert "A worker is reading it" in client.get(page).text

        assert [payload.state for payload in work_off()] == [State.DONE]

        message = ContactMessage.objects.get()
        assert (message.name, message.email, message.text) == tuple(ADA.values())
        assert (message.errors, message.trace) == ({}, answer["X-Request-ID"])
        assert "Thank you, Ada Lovelace." in client.get(page).text
        assert told.lines() == [
            "TRACE: POST /in/contact/ 303",
            "SLACK: Contact from Ada Lovelace: read it in the admin under Contact messages",
            "REPORT: contact form",
        ]

    def test_of_a_wrong_one_shows_beside_the_fields_with_what_was_sent(self, client: Client) -> None:
        answer = self.post(client, urlencode(ADA | {"email": "nonsense", "text": " "}).encode())
        work_off()

        page = client.get(answer["Location"])
        form = page.context["contact"]
        assert form.errors == {"email": ["Enter a valid email address."], "text": ["This field is required."]}
        assert 'id="contact-email_error"' in page.text
        assert 'value="nonsense"' in page.text
        assert 'value="Ada Lovelace"' in page.text

    def test_is_for_nobody_else_to_see(self, client: Client) -> None:
        answer = self.post(client, urlencode(ADA).encode())
        work_off()
        stranger = Client()
        assert "Ada" not in stranger.get(answer["Location"]).text
        assert "If you sent us a message, we have it." in stranger.get(answer["Location"]).text

    @pytest.mark.parametrize("receipt", ["", "x", "%00", quote("<script>")])
    def test_of_no_receipt_is_none(self, client: Client, receipt: str) -> None:
        page = client.get(f"/?receipt={receipt}")
        assert page.status_code == 200
        assert page.context["receipt"] is None

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"", URLENCODED),
            (b"\0\xff", URLENCODED),
            (b"name=%00&email=%00&text=%00", URLENCODED),
            (b"name=" + b"x" * 20_000, URLENCODED),
            (b"{}", "application/json"),
            (b"\xff", "multipart/form-data; boundary=x"),
        ],
    )
    def test_of_garbage_is_errors_and_no_failure(self, body: bytes, content_type: str) -> None:
        keep("contact", body, content_type=content_type)

        assert [payload.state for payload in work_off()] == [State.DONE]
        assert "email" in ContactMessage.objects.get().errors

    def test_of_a_repeated_attempt_is_one(self, client: Client) -> None:
        keep("contact", urlencode(ADA).encode(), content_type=URLENCODED)
        [payload] = work_off()
        work_again(payload)
        assert ContactMessage.objects.count() == 1

    @pytest.mark.parametrize("email", [ADA["email"], "secret@nonsense"])
    def test_tells_the_journal_nothing_of_what_was_written(self, client: Client, told: Told, email: str) -> None:
        self.post(client, urlencode(ADA | {"text": "my secret", "email": email}).encode())
        work_off()
        events = told.events()
        assert [event.name for event in events] == ["TRACE", "SLACK", "REPORT"]
        assert "secret" not in repr(events)

    def test_of_a_worker_that_failed_for_good_says_so(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = self.post(client, urlencode(ADA).encode())
        with monkeypatch.context() as patch:
            patch.setattr("proppy.handlers.parse_contact", give_up)
            [payload] = work_off()
        assert payload.state == State.DEAD
        assert ContactMessage.objects.get().trace == answer["X-Request-ID"]

        page = client.get(answer["Location"])
        assert "Your message is kept, and we will read it." in page.text
        assert "something in it is wrong" not in page.text
        assert "A worker is reading it" not in page.text
        assert not page.context["contact"].is_bound

        work_again(payload)  # mended and replayed
        assert "Thank you, Ada Lovelace." in client.get(answer["Location"]).text

    def test_that_does_not_come_is_no_longer_asked_for_each_second(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = self.post(client, urlencode(ADA).encode())
        assert "data-awaiting" in client.get(answer["Location"]).text
        monkeypatch.setattr("proppy.page.PATIENCE", timedelta(0))

        page = client.get(answer["Location"]).text
        assert "data-awaiting" not in page
        assert "you need not send it again" in page

        work_off()
        assert "Thank you, Ada Lovelace." in client.get(answer["Location"]).text

    def test_is_not_awaited_by_who_sent_another_form(self, client: Client) -> None:
        client.post("/sign-up/", {"name": "Ada", "email": "ada@example.org"})
        page = client.get("/?receipt=00000000-0000-0000-0000-000000000000").text
        assert "A worker is reading it" not in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("redirect", "location"),
    [
        ("/", "/?receipt={}"),
        ("/#contact", "/?receipt={}#contact"),
        ("/a/?b=c", "/a/?b=c&receipt={}"),
        ("/a/?b=c#d?e", "/a/?b=c&receipt={}#d?e"),
    ],
)
def test_the_receipt_goes_between_query_and_fragment(
    client: Client, settings: Any, redirect: str, location: str
) -> None:
    settings.NOTIFICATIONS_SOURCES = {"contact": {"http": True, "redirect": redirect}}
    answer = client.post("/in/contact/", b"x", content_type=URLENCODED, headers={"accept": "text/html"})
    assert answer["Location"] == location.format(RawPayload.objects.get().receipt)


@pytest.mark.django_db
class TestPrefilled:
    def test_with_the_name_and_address_of_who_is_signed_in(self, client: Client) -> None:
        client.force_login(User.objects.create_user("ada", "ada@example.org", first_name='Ada "<b>"'))
        page = client.get("/").text
        assert 'value="Ada &quot;&lt;b&gt;&quot;"' in page
        assert 'value="ada@example.org"' in page

    def test_with_nothing_for_a_stranger(self, client: Client) -> None:
        assert client.get("/").context["contact"].initial == {}


@pytest.mark.parametrize("path", ["/in/demo/", "/in/demo", "/in/contact/"])
def test_who_looks_at_an_intake_is_told_to_post(client: Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer["Allow"], answer.json()) == (405, "POST", {"error": "POST only"})


def test_statistics_name_the_intake_readably() -> None:
    assert {resolve(path).route for path in ("/in/demo/", "/in/demo")} == {"in/<str:source>/", "in/<str:source>"}


def give_up(*_: object) -> None:
    raise GiveUp("a bug")


@pytest.mark.django_db(transaction=True)
class TestRefused:
    """If nothing was stored, a browser gets a page, not JSON."""

    def post(self, client: Client, accept: str = "text/html,*/*;q=0.8", **environ: Any) -> Any:
        headers = {"accept": accept}
        return client.post("/in/contact/", b"0123456789", content_type=URLENCODED, headers=headers, **environ)

    def sources(self, settings: Any, **options: Any) -> None:
        settings.NOTIFICATIONS_SOURCES = {"contact": {"http": True, "redirect": "/?a=<b>", **options}}

    def test_too_large(self, client: Client, settings: Any) -> None:
        self.sources(settings, max_body_bytes=9)
        page = self.post(client)
        assert (page.status_code, page["Content-Type"]) == (413, "text/html; charset=utf-8")
        assert "Go back, make it shorter, and try again." in page.text
        assert 'href="/?a=&lt;b&gt;"' in page.text
        assert not page.has_header("Retry-After")

    def test_what_makes_no_sense(self, client: Client) -> None:
        page = self.post(client, CONTENT_LENGTH="ten")
        assert page.status_code == 400
        assert "Go back, and try again." in page.text

    def test_full_quota(self, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(quota, "STALE", 0.0)  # no worker counts
        self.sources(settings, max_waiting=1)
        assert self.post(client).status_code == 303
        page = self.post(client)
        assert (page.status_code, page["Retry-After"]) == (429, "10")
        assert "Go back, and try again in 10 seconds." in page.text

    def test_nowhere_to_store(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
    ) -> None:
        def fail(*_: object) -> None:
            raise NowhereToStore("<script>")

        monkeypatch.setattr("notifications.views.capture", fail)
        with django_assert_num_queries(0):
            page = self.post(client)
        assert (page.status_code, page["Retry-After"]) == (503, "5")
        assert "<script>" not in page.text
        assert "&lt;script&gt;" in page.text

    @pytest.mark.parametrize("accept", ["*/*", "application/json"])
    def test_programs_get_json(self, client: Client, settings: Any, accept: str) -> None:
        self.sources(settings, max_body_bytes=9)
        answer = self.post(client, accept)
        assert (answer.status_code, list(answer.json())) == (413, ["error"])

    def test_so_do_browsers_where_there_is_no_page_to_go_back_to(self, client: Client, settings: Any) -> None:
        self.sources(settings, max_body_bytes=9, redirect="")
        assert list(self.post(client).json()) == ["error"]
        assert not RawPayload.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_demo_source_only_counts(client: Client, told: Told) -> None:
    assert client.post("/in/demo/", b"\0\xff", content_type="x/y").status_code == 202
    assert [payload.state for payload in work_off()] == [State.DONE]
    assert [event.name for event in told.events() if event.text == "demo"] == ["REPORT"]
