"""No other site's page can act for a visitor or an operator."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from notifications.models import RawPayload, State
from proppy.sign_in import token_for
from tests.support.admin import LIST, payload

pytestmark = pytest.mark.django_db

ELSEWHERE = {"origin": "https://evil.example", "referer": "https://evil.example/page"}


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org", first_name="Ada")


def browser(user: User | None = None) -> Client:
    """A client that is checked as a browser is."""
    client = Client(enforce_csrf_checks=True)
    if user is not None:
        client.force_login(user)
    return client


def token_of(client: Client, address: str = "/") -> str:
    """The one that a page of the site gives its forms."""
    page = client.get(address).text
    return page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]


def refused(answer: Any) -> bool:
    return bool(answer.status_code == 403)


def test_nobody_is_signed_up_or_sent_a_link() -> None:
    assert refused(browser().post("/sign-up/", {"name": "Eve", "email": "eve@example.org"}))
    assert refused(browser().post("/sign-in/", {"email": "eve@example.org"}))
    assert not User.objects.exists()
    assert not RawPayload.objects.exists()


def test_nobody_is_signed_in_as_somebody_else(ada: User) -> None:
    """Or they would upload their photos into the attacker's account."""
    client = browser()
    assert refused(client.post(f"/sign-in/{token_for(ada)}/"))
    assert "_auth_user_id" not in client.session


def test_nobody_is_signed_out(ada: User) -> None:
    client = browser(ada)
    assert refused(client.post("/sign-out/"))
    assert client.session["_auth_user_id"] == str(ada.pk)


def test_no_photo_is_put_into_an_account(ada: User) -> None:
    assert refused(browser(ada).post("/photos/", {"photo": SimpleUploadedFile("p.png", b"x")}))
    assert not RawPayload.objects.exists()


@pytest.mark.parametrize("action", ["process_again", "give_up", "verify_again"])
def test_no_action_of_the_admin_is_taken(action: str) -> None:
    stored = payload(state=State.DEAD, attempts=7)
    client = browser(User.objects.create_superuser("root"))
    asked = {"action": action, "index": "0", "_selected_action": str(stored.pk), "confirmed": "yes"}
    assert refused(client.post(LIST, asked))
    assert RawPayload.objects.get().attempts == 7
    assert RawPayload.objects.get().state == State.DEAD


def test_nobody_logs_into_the_admin_or_out_of_it() -> None:
    root = User.objects.create_superuser("root", password="secret")
    assert refused(browser().post("/admin/login/", {"username": "root", "password": "secret"}))
    client = browser(root)
    assert refused(client.post("/admin/logout/"))
    assert client.session["_auth_user_id"] == str(root.pk)


def test_a_token_is_of_no_use_to_another_site(ada: User) -> None:
    client = browser(ada)
    given = token_of(client)
    assert len(given) == 64
    assert refused(client.post("/sign-out/", {"csrfmiddlewaretoken": given}, secure=True, headers=ELSEWHERE))
    assert refused(client.post("/sign-out/", {"csrfmiddlewaretoken": given}, secure=True))  # neither Origin nor Referer
    here = {"origin": "https://testserver"}
    assert client.post("/sign-out/", {"csrfmiddlewaretoken": given}, secure=True, headers=here).status_code == 302


def test_a_token_of_somebody_else_is_of_no_use(ada: User) -> None:
    stranger = browser()
    assert refused(browser(ada).post("/sign-out/", {"csrfmiddlewaretoken": token_of(stranger)}))


def test_only_the_intake_is_exempt() -> None:
    exempt = {route for route, view in views(get_resolver(), "") if getattr(view, "csrf_exempt", False)}
    assert exempt == {"in/<str:source>", "in/<str:source>/"}


def test_the_intake_rests_on_no_cookie(ada: User) -> None:
    client = browser(ada)
    answer = client.post("/in/contact/", b"name=x", content_type="text/plain", headers=ELSEWHERE)
    assert answer.status_code == 202
    stored = RawPayload.objects.get()
    assert str(client.session.session_key) not in stored.headers_json
    assert "ada@example.org" not in stored.headers_json


def views(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, Any]]:
    """Each route of the site and its view."""
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern.callback
        else:
            yield from views(pattern, route)
