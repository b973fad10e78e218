from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from notifications import keep
from notifications.models import State
from proppy.contact import parse_contact
from proppy.models import ContactMessage
from tests.support.in_process import Told, work_again, work_off

URLENCODED = "application/x-www-form-urlencoded"
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
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\xff", "", "\0", "a/b; c"],
)
def test_a_strange_content_type_is_no_form(content_type: str) -> None:
    assert parse_contact(b"--x\r\n\r\n", content_type) == {}


@given(body=st.binary(max_size=300), content_type=st.sampled_from(["", URLENCODED, multipart({})[1]]))
def test_no_bytes_break_it(body: bytes, content_type: str) -> None:
    fields = parse_contact(body, content_type)
    assert all(isinstance(value, str) for value in fields.values())
    "".join(fields.values()).encode()  # no lone surrogates, which no database takes


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
            "SLACK: Contact from Ada Lovelace: Hello & good-bye",
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

    def test_tells_slack_no_more_than_the_beginning(self, client: Client, told: Told) -> None:
        self.post(client, urlencode(ADA | {"text": "long " * 900}).encode())
        work_off()
        [line] = [line for line in told.lines() if line.startswith("SLACK")]
        assert len(line) < 260


@pytest.mark.django_db(transaction=True)
def test_the_demo_source_only_counts(client: Client, told: Told) -> None:
    assert client.post("/in/demo/", b"\0\xff", content_type="x/y").status_code == 202
    assert [payload.state for payload in work_off()] == [State.DONE]
    assert [event.name for event in told.events() if event.text == "demo"] == ["REPORT"]
