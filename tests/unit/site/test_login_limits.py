"""How often one visitor may sign up and in, and what those see who may not."""

from typing import Any

import pytest
from django.conf import settings as site_settings
from django.contrib.auth.models import User
from django.test import Client

from notifications.models import RawPayload
from proppy.login_limits import COOKIE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rate_limits")]

LOGIN = "/admin/login/"


def statuses(client: Client, path: str, times: int, **data: str) -> list[int]:
    return [client.post(path, data).status_code for _ in range(times)]


@pytest.mark.parametrize(
    ("path", "times", "before"), [("/sign-up/", 20, 200), ("/sign-in/", 20, 200), ("/sign-in/forged/", 30, 302)]
)
def test_one_address_may_try_so_often_and_then_sees_a_page_that_no_database_is_asked_for(
    client: Client, django_assert_num_queries: Any, path: str, times: int, before: int
) -> None:
    assert statuses(client, path, times) == [before] * times
    fresh = Client()
    with django_assert_num_queries(0):
        refused = fresh.post(path)

    assert refused.status_code == 429
    assert 3500 < int(refused["Retry-After"]) <= 3600
    assert "no-store" in refused["Cache-Control"]
    assert "in 60 minutes" in refused.text
    assert client.get(path).status_code != 429  # only to send something
    assert client.post(path, REMOTE_ADDR="203.0.113.9").status_code == before


def test_nobody_can_have_a_mailbox_flooded_from_many_addresses(client: Client) -> None:
    def ask(number: int, email: str) -> int:
        return client.post("/sign-in/", {"email": email}, REMOTE_ADDR=f"203.0.113.{number}").status_code

    spellings = ["ada@example.org", "ADA@example.org", "Ada@Example.Org"]
    assert [ask(number, spellings[number % 3]) for number in range(7)] == [302] * 5 + [429] * 2
    assert RawPayload.objects.filter(source="sign-in").count() == 5
    assert ask(8, "bob@example.org") == 302


def test_switched_off_nobody_is_refused(client: Client, settings: Any) -> None:
    settings.NOTIFICATIONS_RATE_LIMITS = False
    assert 429 not in statuses(client, "/sign-up/", 25) + statuses(client, LOGIN, 15, username="a", password="b")


class TestAdmin:
    @pytest.fixture(autouse=True)
    def _root(self) -> None:
        for name in ("root", "eve"):
            User.objects.create_superuser(name, f"{name}@example.org", "right")

    def guess(self, client: Client, number: int, *, name: str = "root", password: str = "wrong") -> int:
        """Try a password from an address of its own."""
        data = {"username": name, "password": password}
        return client.post(LOGIN, data, REMOTE_ADDR=f"203.0.113.{number}").status_code

    def test_one_address_may_try_ten_times_a_minute(self, client: Client) -> None:
        tries = [client.post(LOGIN, {"username": f"name {n}", "password": "x"}) for n in range(11)]
        assert [answer.status_code for answer in tries] == [200] * 10 + [429]
        assert 1 <= int(tries[-1]["Retry-After"]) <= 60
        assert client.get(LOGIN).status_code == 200

    def test_a_name_is_guessed_ten_times_an_hour_from_wherever(self, client: Client) -> None:
        spellings = ["root", "ROOT", " root ", "ｒｏｏｔ"]
        assert [self.guess(client, n, name=spellings[n % 4]) for n in range(10)] == [200] * 10
        assert self.guess(client, 10) == 429
        assert self.guess(client, 11, password="right") == 429, "or a guess is told from a wrong one"
        assert self.guess(client, 12, name="eve") == 200

    def test_who_signed_in_before_is_not_locked_out_by_strangers(self, client: Client) -> None:
        owner = Client()
        assert self.guess(owner, 1, password="right") == 302
        owner.post("/admin/logout/")
        assert [self.guess(client, n) for n in range(11)][-1] == 429
        assert self.guess(owner, 2) == 200
        assert self.guess(owner, 3, password="right") == 302

    def test_a_known_browser_has_ten_guesses_too_and_they_are_its_own(self, client: Client) -> None:
        owner = Client()
        self.guess(owner, 1, password="right")
        owner.post("/admin/logout/")
        assert [self.guess(owner, n) for n in range(11)] == [200] * 10 + [429]
        assert self.guess(client, 20, password="right") == 302

    def test_a_browser_is_known_for_the_name_that_signed_in_and_unforged(self, client: Client) -> None:
        eve = Client()
        self.guess(eve, 1, name="eve", password="right")
        eve.post("/admin/logout/")
        assert [self.guess(client, n) for n in range(11)][-1] == 429
        assert self.guess(eve, 20, password="right") == 429
        eve.cookies[COOKIE] = eve.cookies[COOKIE].value[:-2] + "xx"
        assert self.guess(eve, 21, password="right") == 429

    def test_who_knows_the_password_uses_nothing_up(self, client: Client) -> None:
        assert [self.guess(Client(), n, password="right") for n in range(12)] == [302] * 12

    def test_the_cookie_goes_to_the_login_alone(self, client: Client) -> None:
        assert self.guess(client, 1) == 200
        assert COOKIE not in client.cookies
        self.guess(client, 2, password="right")
        cookie = client.cookies[COOKIE]
        assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (LOGIN, True, "Strict")
        assert bool(cookie["secure"]) is site_settings.SESSION_COOKIE_SECURE

    def test_the_login_leads_where_it_should(self, client: Client) -> None:
        away = client.get("/admin/")
        assert away["Location"] == f"{LOGIN}?next=/admin/"
        answer = client.post(away["Location"], {"username": "root", "password": "right", "next": "/admin/"})
        assert answer["Location"] == "/admin/"
        assert client.get("/admin/").status_code == 200
