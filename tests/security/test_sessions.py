"""Whose session it is: how it begins, what its cookies may, when it ends; and the links that begin one."""

import re
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import mail, signing
from django.test import Client

from notifications.models import RawPayload
from proppy.sign_in import token_for, user_of
from tests.support.in_process import work_off

pytestmark = pytest.mark.django_db(transaction=True)

ADA: Final = {"name": "Ada", "email": "ada@example.org"}
SESSION: Final = "sessionid"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org", "ada@example.org", first_name="Ada")


def planted(client: Client) -> str:
    """A session that an attacker has begun, and put into somebody else's browser."""
    session = client.session  # an anonymous one, stored
    session["planted"] = True
    session.save()
    client.cookies[SESSION] = str(session.session_key)
    return str(session.session_key)


def signed_in(key: str) -> bool:
    """Whether whoever holds this cookie is somebody."""
    holder = Client()
    holder.cookies[SESSION] = key
    return bool(holder.get("/").wsgi_request.user.is_authenticated)


def sign_up(client: Client, user: User) -> Any:
    user.delete()
    return client.post("/sign-up/", ADA)


def follow_link(client: Client, user: User) -> Any:
    return client.post(f"/sign-in/{token_for(user)}/")


def log_in(client: Client, user: User, *, secure: bool = False) -> Any:
    User.objects.create_superuser("root", password="secret")
    return client.post("/admin/login/", {"username": "root", "password": "secret"}, secure=secure)


@pytest.mark.parametrize("begin", [sign_up, follow_link, log_in])
def test_a_planted_session_is_worth_nothing(client: Client, ada: User, begin: Any) -> None:
    key = planted(client)
    assert begin(client, ada).status_code == 302
    ours = client.cookies[SESSION].value
    assert ours != key
    assert signed_in(ours)
    assert not signed_in(key)
    assert not Session.objects.filter(session_key=key).exists()


def test_an_invented_key_is_not_taken(client: Client, ada: User) -> None:
    client.cookies[SESSION] = "a" * 32
    follow_link(client, ada)
    assert client.cookies[SESSION].value != "a" * 32
    assert not Session.objects.filter(session_key="a" * 32).exists()


def test_each_cookie_is_for_https_and_no_script(ada: User) -> None:
    client = Client(headers={"origin": "https://testserver"})
    answers = [
        client.get("/", secure=True),
        client.post("/sign-in/", {"email": "ada@example.org"}, secure=True),
        client.post("/sign-up/", ADA | {"email": "eve@example.org"}, secure=True),
        client.get("/admin/login/", secure=True),
        log_in(client, ada, secure=True),
    ]
    cookies = {name: morsel for answer in answers for name, morsel in answer.cookies.items() if morsel.value}
    assert cookies.keys() >= {"sessionid", "csrftoken", "visits", "messages"}
    for name, morsel in cookies.items():
        assert (morsel["secure"], morsel["httponly"], morsel["domain"]) == (True, True, ""), name
        assert morsel["samesite"] in {"Lax", "Strict"}, name


def test_who_has_signed_out_stays_out(client: Client, ada: User) -> None:
    follow_link(client, ada)
    key = client.cookies[SESSION].value
    assert signed_in(key)
    client.post("/sign-out/")
    assert not signed_in(key)
    assert not Session.objects.filter(session_key=key).exists()


def test_whose_account_is_closed_is_out_at_once(client: Client, ada: User) -> None:
    follow_link(client, ada)
    User.objects.update(is_active=False)
    assert not signed_in(client.cookies[SESSION].value)


class TestLinks:
    def test_no_letter_can_be_changed(self, ada: User) -> None:
        token = token_for(ada)
        assert user_of(token) == ada
        for at, letter in enumerate(token):
            forged = f"{token[:at]}{'A' if letter != 'A' else 'B'}{token[at + 1 :]}"
            assert user_of(forged) is None, at

    def test_nothing_else_that_we_have_signed_is_one(self, client: Client, ada: User) -> None:
        client.post("/sign-up/", {"name": "Eve", "email": "eve@example.org"})
        assert user_of(client.cookies["visits"].value) is None
        assert user_of(signing.dumps([ada.pk, ""])) is None
        assert user_of(signing.dumps([ada.pk, ""], key="another", salt="proppy.sign-in")) is None

    @pytest.mark.parametrize(("seconds", "good"), [(15 * 60 - 5, True), (15 * 60 + 5, False)])
    def test_it_is_good_for_a_quarter_of_an_hour(
        self, ada: User, monkeypatch: pytest.MonkeyPatch, seconds: int, good: bool
    ) -> None:
        token, now = token_for(ada), signing.time.time()  # type: ignore[attr-defined]  # its own import
        monkeypatch.setattr("django.core.signing.time.time", lambda: now + seconds)
        assert (user_of(token) == ada) is good

    def test_one_that_was_used_makes_all_older_ones_worthless(self, client: Client, ada: User) -> None:
        first, second = token_for(ada), token_for(ada)
        client.post(f"/sign-in/{first}/")
        other = Client()
        for token in (first, second):
            assert other.post(f"/sign-in/{token}/")["Location"] == "/sign-in/"
        assert SESSION not in other.cookies

    @pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": True}])
    def test_who_may_no_longer_use_one(self, ada: User, change: dict[str, bool]) -> None:
        token = token_for(ada)
        User.objects.update(**change)
        assert user_of(token) is None

    def test_it_names_one_user(self, client: Client, ada: User) -> None:
        eve = User.objects.create_user("eve@example.org")
        client.post(f"/sign-in/{token_for(eve)}/")
        assert client.session["_auth_user_id"] == str(eve.pk)

    @pytest.mark.parametrize("typed", ["KATE@EXAMPLE.ORG", "\N{KELVIN SIGN}ate@example.org"])
    def test_it_goes_where_the_account_says(self, client: Client, typed: str) -> None:
        """And not to what was typed, which may only look like it."""
        User.objects.create_user("kate@example.org", "kate@her.example")
        client.post("/sign-in/", {"email": typed})
        work_off()
        assert [message.to for message in mail.outbox] == [["kate@her.example"]]

    @pytest.mark.parametrize(
        "headers",
        [
            {"HTTP_X_FORWARDED_HOST": "evil.example"},
            {"HTTP_FORWARDED": "host=evil.example"},
            {"HTTP_X_HOST": "evil.example"},
        ],
    )
    def test_it_leads_to_this_site(self, client: Client, ada: User, headers: Any) -> None:
        client.post("/sign-in/", {"email": "ada@example.org"}, **headers)
        work_off()
        assert re.findall(r"https?://([^/]+)/", str(mail.outbox[-1].body)) == ["testserver"]

    @pytest.mark.parametrize(
        "host", ["evil.example", "testserver.evil.example", "testserver@evil.example", "evil\ttestserver"]
    )
    def test_another_host_gets_none(self, client: Client, ada: User, host: str) -> None:
        assert client.post("/sign-in/", {"email": "ada@example.org"}, HTTP_HOST=host).status_code == 400
        assert not RawPayload.objects.exists()

    def test_its_page_tells_no_other_site_and_no_cache(self, client: Client, ada: User) -> None:
        page = client.get(f"/sign-in/{token_for(ada)}/")
        assert page["Referrer-Policy"] == "same-origin"
        assert "no-store" in page["Cache-Control"]


EVIL: Final = (
    "//evil.example/",
    "https://evil.example/",
    "/\\evil.example",
    "https:evil.example",
    "javascript:alert(1)",
)


@pytest.mark.parametrize("address", EVIL)
def test_nobody_is_sent_to_another_site(client: Client, ada: User, address: str) -> None:
    for name in ("next", "redirect", "return_to", "url"):
        ask: Any = {"query_params": {name: address}}
        assert_here(client.post(f"/sign-in/{token_for(User.objects.get(pk=ada.pk))}/", {name: address}, **ask))
        assert_here(client.post("/sign-out/", {name: address}, **ask))
        contact = {"name": "x", name: address}
        assert_here(client.post("/in/contact/", contact, HTTP_ACCEPT="text/html", HTTP_REFERER=address, **ask))
        assert_here(client.post("/sign-up/", ADA | {"email": f"{name}@example.org", name: address}, **ask))
        client.logout()


@pytest.mark.parametrize("address", EVIL)
def test_the_admin_sends_nobody_to_another_site(client: Client, address: str) -> None:
    User.objects.create_superuser("root", password="secret")
    login = {"username": "root", "password": "secret", "next": address}
    assert_here(client.post("/admin/login/", login, query_params={"next": address}))


@pytest.mark.parametrize(
    "path", ["//evil.example/sign-up", "//evil.example/admin", "///evil.example/in", "/%5cevil.example"]
)
def test_a_slash_that_is_added_leads_nowhere_else(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404 or assert_here(answer)


def assert_here(answer: Any) -> bool:
    assert answer.status_code in {301, 302, 303}
    to = urlsplit(answer["Location"])
    assert (to.scheme, to.netloc) == ("", "")
    assert answer["Location"].startswith("/")
    assert not answer["Location"].startswith(("//", "/\\"))
    return True
