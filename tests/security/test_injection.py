"""What a stranger writes into headers, names, addresses and forms stays one value: no header, line or entry more."""

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoDbBlocker

from notifications.channels.slack.text import console_line, message
from notifications.models import RawPayload, State
from notifications.testing import Told, handle_bytes, work_off
from tests.support.database import use_database
from tests.support.payloads import kept
from tests.support.processes import Site
from tests.support.stranger import CONTACT, Posts
from tests.support.wait import wait_for

HOST: Final = b"Host: 127.0.0.1"
POST: Final = b"POST /in/demo/ HTTP/1.1"
ONE: Final = b"Content-Length: 1"


class Wire:
    """Requests to the letter, and answers as they come."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def ask(self, *lines: bytes) -> tuple[int, bytes]:
        """Status and all bytes of the answer to these lines; a POST has a body of one byte."""
        body = b"x" if lines[0].startswith(b"POST") else b""
        with socket.create_connection(("127.0.0.1", self.site.port), timeout=30) as connection:
            connection.sendall(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        return int(answer.split(b" ", 2)[1]), answer


@pytest.fixture
def wire(site: Site, migrated_sqlite: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Wire]:
    (site.folder / "state" / "proppy.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    site.start("web")
    with django_db_blocker.unblock(), use_database(site.env["DATABASE_URL"]):
        yield Wire(site)


#: Each would be two headers, or a line that is none, if it were passed on.
HEADERS: Final = [
    b"X-Evil: a\rSet-Cookie: evil=1",
    b"X-Evil: a\0b",
    b"X-Evil: \x1b[2J\x1b[31mevil",
    b"X Evil: a",
    b"X-Evil\0: a",
    b": evil",
    b"X-Evil: a\r\n evil",
    b"Idempotency-Key: a\0evil",
    b"Idempotency-Key: \x1b]0;evil\x07",
    b"Idempotency-Key: \x9b31mevil",
    b"Idempotency-Key: " + b"e" * 256,
    b"Content-Length: 2",
    b"Content-Length: +1",
    b"Content-Length: 0x1",
]


def test_no_header_that_a_server_must_not_take_is_stored(wire: Wire) -> None:
    for header in HEADERS:
        status, answer = wire.ask(POST, HOST, ONE, header)
        assert status == 400, header
        head, _, page = answer.lower().partition(b"\r\n\r\n")
        assert b"evil" not in head, header
        assert b"<script" not in page, header
    assert not RawPayload.objects.exists()
    assert all(line.isprintable() and not line.lower().startswith("evil") for line in wire.site.log("web").splitlines())


def test_a_line_that_ends_in_another_way_is_a_header_of_the_request_alone(wire: Wire) -> None:
    _, answer = wire.ask(POST, HOST, ONE, b"X-A: a\nSet-Cookie: evil=1\nX-B: b")
    assert b"evil" not in answer
    assert "evil" not in "".join(RawPayload.objects.values_list("headers_json", flat=True))


def test_the_request_id_and_the_address_are_ours(wire: Wire) -> None:
    for name in (b"X-Request-ID", b"X_Request_ID", b"x-request-id"):
        status, answer = wire.ask(POST, HOST, ONE, name + b": evil", b"X-Forwarded-For: 6.6.6.6", b"X-Real-IP: 6.6.6.6")
        assert status == 202
        assert b"evil" not in answer
    for stored in RawPayload.objects.all():
        assert len(stored.headers["x-request-id"]) == 32
        assert stored.remote_addr == "127.0.0.1"


HOSTS: Final = [
    [b"Host: evil.example"],
    [HOST, b"Host: evil.example"],
    [b"Host: evil.example", HOST],
    [],
    [b"Host:"],
    [b"Host: 127.0.0.1@evil.example"],
    [b"Host: 127.0.0.1:80@evil.example"],
    [b"Host: 127.0.0.1 evil.example"],
    [b"Host: 127.0.0.1,evil.example"],
    [b"Host: 127.0.0.1:8000evil"],
    [b"Host: evil.example", b"X-Forwarded-Host: 127.0.0.1"],
    [b"Host: evil.example", b"X-Forwarded-For: 127.0.0.1"],
]


def test_another_host_is_answered_by_nothing(wire: Wire) -> None:
    for hosts in HOSTS:
        for line in (b"GET / HTTP/1.1", b"GET /admin HTTP/1.1", POST):
            status, answer = wire.ask(line, *hosts, *([ONE] if line == POST else []))
            assert status == 400, (line, hosts)
            assert b"\r\nlocation:" not in answer.lower()
    assert not RawPayload.objects.exists()
    for line in (b"GET /sign-up HTTP/1.1", b"GET http://evil.example/sign-up HTTP/1.1"):
        status, answer = wire.ask(line, HOST, b"X-Forwarded-Host: evil.example")
        assert status == 301
        assert b"evil" not in answer


PATHS: Final = [
    b"/static/../settings.py",
    b"/static/..%2f..%2fproppy/settings.py",
    b"/static/%2e%2e/%2e%2e/proppy/settings.py",
    b"/static/proppy/../../../settings.py",
    b"/static/proppy/..%2f..%2f..%2fsettings.py",
    b"/static/proppy/....//....//....//settings.py",
    b"/static/..%5c..%5csettings.py",
    b"/static//etc/passwd",
    b"/static/%2fetc%2fpasswd",
    b"/static/file:///etc/passwd",
    b"/static/proppy/site.css%00.py",
    b"/static/%c0%ae%c0%ae/settings.py",
    b"/photos/..%2f..%2fstate%2fproppy.sqlite3",
    b"/photos/1/../../.env",
    b"/photos/-1/",
    b"/photos/" + b"9" * 5000 + b"/",
    b"/media/photos/",
    b"/state/proppy.sqlite3",
    b"/.env",
    b"/.git/config",
    b"/in/..%2fadmin/",
    b"/in/demo%00/",
    b"/in/demo%0d%0aX-Evil:1/",
    b"//evil.example/..%2f..",
    b"/sign-in/..%2f..%2fetc%2fpasswd/",
]


def test_no_path_leads_to_a_file_that_is_not_meant(wire: Wire) -> None:
    """DEBUG serves static files from where they are written, with the most code of ours and others in the way."""
    assert wire.ask(b"GET /static/proppy/site.css HTTP/1.1", HOST)[0] == 200
    for path in PATHS:
        status, answer = wire.ask(b"GET %s HTTP/1.1" % path, HOST)
        assert status in {302, 400, 404, 414}, path
        assert not any(secret in answer for secret in (b"INSTALLED_APPS =", b"root:", b"SQLite format", b"[core]")), (
            path
        )
        assert b"\r\nx-evil" not in answer.lower()


FORGED: Final = "ERROR forged: root logged in"


def test_no_request_writes_a_line_of_its_own_into_the_log(wire: Wire) -> None:
    """Nor anything that a terminal would obey."""
    forged = b"%0a" + FORGED.replace(" ", "%20").encode() + b"%0d%1b%5b2J%e2%80%ae"
    for line in (
        b"GET /%s HTTP/1.1",
        b"GET /in/%s/ HTTP/1.1",
        b"DELETE /in/demo/?%s HTTP/1.1",
        b"GET /admin/%s HTTP/1.1",
    ):
        wire.ask(line % forged, HOST)
    wire.ask(POST, HOST, ONE, b"X-A: " + FORGED.encode())
    wire.ask(POST, b"Host: a%s" % forged, ONE)
    wire.ask(b"POST /sign-out/%s HTTP/1.1" % forged, HOST, ONE)
    wait_for(lambda: "DisallowedHost" in wire.site.log("web"))
    log = wire.site.log("web")
    assert "forged" in log
    assert not [line for line in log.splitlines() if line.startswith("ERROR forged")]
    assert "\x1b" not in log


@pytest.mark.django_db
class TestLogsOfWorkers:
    EVIL: Final = f"bad price\r\x1b[2J\x1b[31m\u202e\n{FORGED}"

    def test_a_failure_is_one_line(self, on_demo: Any, caplog: pytest.LogCaptureFixture) -> None:
        def fail(payload: RawPayload) -> None:
            raise ValueError(self.EVIL)

        on_demo(fail)
        kept()
        work_off()
        said = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
        assert said
        for line in said:
            assert line.isprintable()

    def test_a_failure_after_it_was_done_too(self, on_demo: Any, caplog: pytest.LogCaptureFixture) -> None:
        def fail(payload: RawPayload) -> None:
            with payload.done():
                pass
            raise ValueError(self.EVIL)

        on_demo(fail, atomic=False)
        kept()
        work_off()
        said = "\n".join(record.getMessage() for record in caplog.records)
        assert "bad price" in said
        assert "\x1b" not in said
        assert not [line for line in said.splitlines() if line.startswith("ERROR forged")]


PING: Final = "<!channel> <!here> <@U012AB3CD> <#C012AB3CD> <https://evil.example|your bank> & \u202e"


@pytest.mark.django_db(transaction=True)
class TestSlack:
    """Each field of the site that a stranger fills and a channel is told of."""

    def test_pings_nobody_and_links_nothing(self, client: Client, stranger: Client, posts: Posts, told: Told) -> None:
        fill_all(client, stranger, PING)
        assert posts.stored(2)
        events = [event for event in told.events() if event.name == "SLACK"]
        assert len(events) == 4  # signed up, photo, contact, wrong contact
        assert sum("<!channel>" in event.text for event in events) == 3
        for event in events:
            text = message(event)
            assert "<" not in text
            assert ">" not in text
            assert "\u202e" not in text
            assert console_line(event).isprintable()

    def test_a_name_may_say_slack_and_is_no_event_of_its_own(
        self, client: Client, stranger: Client, posts: Posts, told: Told
    ) -> None:
        fill_all(client, stranger, f"SLACK: root signed up PROPPY_EVENT=SLACK REPORT: {FORGED}")
        assert posts.stored(2)
        events = told.events()
        assert {event.name for event in events} <= {"SLACK", "REPORT", "TRACE"}
        assert len([event for event in events if event.name == "SLACK"]) == 4

    def test_a_name_begins_no_line(self, client: Client, stranger: Client, posts: Posts, told: Told) -> None:
        """Neither in Slack, where it would pass for another message, nor in the mail that greets."""
        fill_all(client, stranger, "Ada signed up\nroot changed the bank account\n")
        assert posts.stored(2)
        assert not [event.text for event in told.events() if "\nroot" in message(event)]
        assert not [letter.body for letter in mail.outbox if "\nroot" in str(letter.body)]


def fill_all(client: Client, stranger: Client, name: str) -> None:
    """Sign up, send a photo that is none, and both kinds of contact form, under this name."""
    client.post("/sign-up/", {"name": name, "email": "ada@example.org"})
    user = User.objects.first() or User.objects.create_user("ada@example.org", first_name=name)
    client.force_login(user)
    client.post("/photos/", {"photo": SimpleUploadedFile(f"{name}.png", b"x", "image/png")})
    stranger.post(CONTACT, {"name": name, "email": "ada@example.org", "text": name})
    stranger.post(CONTACT, {"name": name, "email": name, "text": name})
    work_off()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\u2028", "%0d%0a", "\0"])
def test_no_field_adds_a_header_to_a_mail(client: Client, end: str) -> None:
    injected = f"{end}Bcc: victim@example.org{end}{end}Buy now"
    for email in (f"ada@example.org{injected}", f"ada{injected}@example.org"):
        client.post("/sign-up/", {"name": "Ada", "email": email})
        client.post("/sign-in/", {"email": email})
    client.post("/sign-up/", {"name": "Ada", "email": "ada@example.org"})
    work_off()
    for letter in mail.outbox:
        assert letter.recipients() == ["ada@example.org"]
        assert letter.message()["Bcc"] is None
        assert "victim" not in "".join(letter.message().values())


@pytest.mark.django_db
class TestLargeAndDeep:
    @pytest.mark.parametrize("path", ["/sign-up/", "/sign-in/", "/sign-out/", "/admin/login/"])
    def test_fifty_thousand_fields_are_refused(self, path: str) -> None:
        client = Client(raise_request_exception=False)
        form = "&".join(f"a{number}=b" for number in range(50_000))
        answer = client.post(path, form, content_type="application/x-www-form-urlencoded")
        assert answer.status_code in {302, 400}  # nobody reads the form of somebody who signs out
        assert not User.objects.exists()

    def test_fifty_thousand_fields_are_no_contact(self) -> None:
        form = b"&".join(b"a%d=b" % number for number in range(50_000)) + b"&name=Ada&email=a@example.org&text=x"
        assert handle_bytes("contact", form).state == State.DONE

    @pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 50_000 + b"]" * 50_000])
    def test_deep_json_breaks_neither_intake_nor_admin(
        self, client: Client, stranger: Client, posts: Posts, body: bytes
    ) -> None:
        answer = stranger.post("/in/demo/", body, content_type="application/json")
        assert answer.status_code == 202
        assert posts.stored(1)
        stored = RawPayload.objects.get(receipt=json.loads(answer.content)["id"])
        client.force_login(User.objects.create_superuser("root"))
        assert client.get(f"/admin/notifications/rawpayload/{stored.pk}/change/").status_code == 200

    def test_what_is_compressed_stays_so(self, client: Client, stranger: Client, posts: Posts) -> None:
        """Nobody inflates it: neither intake, nor handler, nor admin."""
        bomb = gzip.compress(b"\0" * 100_000_000)
        for path in ("/in/demo/", CONTACT):
            answer = stranger.post(path, bomb, content_type="application/json", headers={"content-encoding": "gzip"})
            stored = RawPayload.objects.get(receipt=json.loads(answer.content)["id"])
            assert stored.body == bomb
            assert stored.headers["content-encoding"] == "gzip"
        assert posts.stored(2)
        assert {payload.state for payload in work_off()} == {State.DONE}
        client.force_login(User.objects.create_superuser("root"))
        page = client.get(f"/admin/notifications/rawpayload/{stored.pk}/change/")
        assert "1f 8b 08" in page.text
        assert len(page.content) < 1_000_000
