"""Signing up proves nothing: the first link used from the mailbox ends all sessions opened without it."""

import re

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from proppy import session_views
from proppy.models import VerifiedAddress
from proppy.sign_in import token_for, use
from tests.support.in_process import work_off

pytestmark = pytest.mark.django_db(transaction=True)

ADA = {"name": "Ada", "email": "ada@example.org"}


def link() -> str:
    """Ask for a link, and read it in the mailbox."""
    mail.outbox.clear()
    Client().post("/sign-in/", {"email": ADA["email"]})
    work_off()
    [path] = re.findall(r"http://testserver(\S+)", str(mail.outbox[-1].body))
    return str(path)


def is_in(browser: Client) -> bool:
    return "Welcome, Ada" in browser.get("/").text


@pytest.fixture
def impostor() -> Client:
    browser = Client()
    browser.post("/sign-up/", ADA)
    assert is_in(browser)
    return browser


def test_sessions_of_before_end_and_the_new_one_lives_on(impostor: Client) -> None:
    owner = Client()
    assert owner.post(link())["Location"] == "/"
    assert is_in(owner)
    assert not is_in(impostor)
    assert impostor.post("/photos/", {})["Location"] == "/sign-up/"
    assert VerifiedAddress.objects.get().user == User.objects.get()


def test_later_links_end_no_session(impostor: Client) -> None:
    phone, laptop = Client(), Client()
    phone.post(link())
    laptop.post(link())
    assert is_in(phone)
    assert is_in(laptop)
    assert not is_in(impostor)


def test_one_browser_that_signed_up_and_uses_the_link_stays_in(impostor: Client) -> None:
    before = impostor.session.session_key
    impostor.post(link())
    assert is_in(impostor)
    assert impostor.session.session_key != before


def test_looking_at_the_link_ends_nothing(impostor: Client) -> None:
    assert Client().get(link()).status_code == 200
    assert is_in(impostor)
    assert not VerifiedAddress.objects.exists()


def test_links_of_before_are_worthless_after_the_first(impostor: Client) -> None:
    older, newer = link(), link()
    owner, second = Client(), Client()
    assert owner.post(newer)["Location"] == "/"
    assert second.post(older)["Location"] == "/sign-in/"
    assert SESSION_KEY not in second.session
    assert is_in(owner)


def test_two_that_use_a_link_at_once_are_not_both_let_in(impostor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    user = User.objects.get()
    token = token_for(user)
    assert use(token) == user
    monkeypatch.setattr("proppy.sign_in.user_of", lambda _: user)  # as it was read before the other was done
    assert use(token) is None


def test_a_link_whose_session_cannot_be_opened_is_good_for_another_try(
    impostor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, address = Client(raise_request_exception=False), link()
    with monkeypatch.context() as patch:
        patch.setattr(session_views, "login", lambda *_: 1 / 0)
        assert owner.post(address).status_code == 500
    assert is_in(impostor)
    assert owner.post(address)["Location"] == "/"
    assert is_in(owner)
    assert not is_in(impostor)
