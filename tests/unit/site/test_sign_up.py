import json
import re
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from notifications.models import RawPayload, State
from proppy import views
from proppy.forms import TAKEN
from proppy.visits import COOKIE
from tests.support.in_process import Told, work_again, work_off

pytestmark = pytest.mark.django_db(transaction=True)

ADA = {"name": "Ada", "email": "Ada@Example.org"}


def test_signs_up_keeps_the_mail_tells_and_logs_in(client: Client, told: Told) -> None:
    response = client.post("/sign-up/", ADA)

    assert (response.status_code, response["Location"]) == (302, "/")
    user = User.objects.get(username="ada@example.org")
    assert client.session["_auth_user_id"] == str(user.pk)
    payload = RawPayload.objects.get(source="welcome")
    assert json.loads(bytes(payload.body)) == {"user_id": user.pk}
    assert payload.headers["x-request-id"] == response["X-Request-ID"]
    assert told.lines() == ["SLACK: Ada signed up", "REPORT: sign-up", "TRACE: POST /sign-up/ 302"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "This field is required."),
        ("name", "x" * 101, "at most 100 characters"),
        ("email", "no address", "Enter a valid email address."),
        ("name", "Ada\0", "Null characters are not allowed."),
    ],
)
def test_says_beside_the_field_what_is_wrong(client: Client, field: str, value: str, message: str) -> None:
    page = client.post("/sign-up/", ADA | {field: value})

    assert page.status_code == 200
    assert message in " ".join(page.context["sign_up"].errors[field])
    assert f'aria-describedby="sign-up-{field}' in page.text or 'aria-invalid="true"' in page.text
    assert f'id="sign-up-{field}_error"' in page.text
    assert not User.objects.exists()
    assert not RawPayload.objects.exists()


def test_an_address_that_is_taken_is_an_error_beside_the_field(client: Client) -> None:
    User.objects.create_user("ada@example.org")

    page = client.post("/sign-up/", ADA)

    assert page.status_code == 200
    assert page.context["sign_up"].errors["email"] == [TAKEN]
    assert not RawPayload.objects.exists()


def test_so_is_one_that_is_taken_between_check_and_save(
    client: Client, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    monkeypatch.setattr("proppy.forms.SignUpForm.clean_email", lambda form: "ada@example.org")
    User.objects.create_user("ada@example.org")

    page = client.post("/sign-up/", ADA)

    assert page.context["sign_up"].errors["email"] == [TAKEN]
    assert "_auth_user_id" not in client.session
    assert told.lines() == ["TRACE: POST /sign-up/ 200"]


def test_user_mail_and_events_come_together_or_not_at_all(
    client: Client, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the session store is away")

    monkeypatch.setattr(views, "login", fail)
    client.raise_request_exception = False

    answer = client.post("/sign-up/", ADA)

    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert not User.objects.exists()
    assert not RawPayload.objects.exists()
    assert told.lines() == ["TRACE: POST /sign-up/ 500"]


def test_the_welcome_mail_goes_out_later_under_the_same_id_each_time(client: Client) -> None:
    client.post("/sign-up/", ADA | {"name": "Ada & Charles"})
    assert mail.outbox == []

    [payload] = work_off()
    assert payload.state == State.DONE
    work_again(payload)

    assert [message.to for message in mail.outbox] == [["ada@example.org"]] * 2
    assert "Hello Ada & Charles," in str(mail.outbox[0].body)
    assert {message.extra_headers["Message-ID"] for message in mail.outbox} == {f"<{payload.receipt}@proppy>"}


@pytest.mark.parametrize("backend", ["console", "smtp"])
def test_who_has_no_mail_server_is_told_where_mails_are(client: Client, settings: Any, backend: str) -> None:
    client.post("/sign-up/", ADA)
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    page = client.get("/").content.decode()
    assert "your welcome mail is on its way" in page
    assert ("printed in the terminal" in page) == (backend == "console")


def test_no_mail_goes_to_somebody_who_has_left(client: Client) -> None:
    client.post("/sign-up/", ADA)
    User.objects.all().delete()

    assert [payload.state for payload in work_off()] == [State.DONE]
    assert mail.outbox == []


@pytest.mark.parametrize(("code", "state"), [(550, State.DEAD), (451, State.RETRYING)])
def test_a_refused_recipient_is_given_up_only_if_for_good(
    client: Client, monkeypatch: pytest.MonkeyPatch, code: int, state: State
) -> None:
    def refuse(message: mail.EmailMessage) -> None:
        raise SMTPRecipientsRefused({"ada@example.org": (code, b"no")})

    client.post("/sign-up/", ADA)
    monkeypatch.setattr(mail.EmailMessage, "send", refuse)

    assert [payload.state for payload in work_off()] == [state]


def link_sent_to(client: Client, email: str) -> str:
    """Ask for a link; the address in the mail, "" if none was sent."""
    mail.outbox.clear()
    answer = client.post("/sign-in/", {"email": email})
    assert answer["Location"] == "/"
    work_off()
    return re.findall(r"http://testserver(\S+)", str(mail.outbox[-1].body))[0] if mail.outbox else ""


def test_signs_out_and_in_by_a_link_that_works_once(client: Client) -> None:
    client.post("/sign-up/", ADA)
    client.post("/sign-out/")
    assert "_auth_user_id" not in client.session
    link = link_sent_to(client, "ADA@example.org")

    assert "Hello, Ada" in client.get(link).text
    assert "_auth_user_id" not in client.session  # a mail program that looks at links signs nobody in
    assert client.post(link)["Location"] == "/"
    assert "_auth_user_id" in client.session
    assert client.post(link)["Location"] == "/sign-in/"


def test_a_link_is_refused_that_is_old_or_forged(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.post("/sign-up/", ADA)
    client.post("/sign-out/")
    link = link_sent_to(client, "ada@example.org")
    assert client.get(link[:-3] + "xx/")["Location"] == "/sign-in/"
    monkeypatch.setattr("proppy.sign_in.GOOD_FOR", timedelta(seconds=-1))
    assert client.get(link)["Location"] == "/sign-in/"


def test_nobody_learns_who_has_an_account_and_staff_gets_no_link(client: Client) -> None:
    User.objects.create_superuser("root@example.org", "root@example.org", "secret")
    assert link_sent_to(client, "nobody@example.org") == ""
    assert link_sent_to(client, "root@example.org") == ""


def test_who_signs_out_leaves_nothing_for_the_next_to_see(client: Client) -> None:
    client.post("/sign-up/", ADA)
    assert client.get("/").context["lives"] != []

    assert client.get("/sign-out/").status_code == 405
    assert client.get("/").context["lives"] != []
    answer = client.post("/sign-out/")

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert answer.cookies[COOKIE]["max-age"] == 0
    assert client.get("/").context["lives"] == []


@pytest.mark.parametrize("path", ["/sign-up/", "/sign-in/"])
def test_whoever_is_signed_in_has_no_need_to_sign_up_or_in(client: Client, path: str) -> None:
    client.post("/sign-up/", ADA)
    assert client.get(path)["Location"] == "/"
    assert "Welcome, Ada" in client.get("/").text
