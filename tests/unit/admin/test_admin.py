"""All pages of the admin alike: they open, escape, and are for reading."""

import re
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from notifications.admin.lists.cells import LOADED, duration, last_line, last_loaded_line
from notifications.models import FailedDelivery
from tests.support.admin import LIST, TRACEBACK, everything, payload

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>\u202e"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e"
MODELS = [
    "rawpayload",
    "failuregroup",
    "position",
    "faileddelivery",
    "loss",
    "refusal",
    "machine",
    "reportrow",
    "operatoraction",
]


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
def test_an_empty_list_says_what_comes_there(admin: Client, model: str) -> None:
    text = admin.get(reverse(f"admin:notifications_{model}_changelist")).content.decode()
    assert re.search(r"None( yet)?: \w+", text)
    assert 'name="action"' not in text, "there is nothing to choose"


def test_a_list_that_is_filtered_to_nothing_says_no_more_than_that(admin: Client) -> None:
    text = admin.get(f"{LIST}?state=dead").content.decode()
    assert "None yet" not in text
    assert ">None.<" in text


@pytest.mark.parametrize("model", MODELS)
def test_the_history_of_a_row_is_its_page(admin: Client, model: str) -> None:
    address = f"/admin/notifications/{model}/{everything()[model]}/"
    answer = admin.get(f"{address}history/")
    assert urljoin(f"{address}history/", answer["Location"]) == f"{address}change/"


@pytest.mark.parametrize("model", MODELS)
def test_nothing_can_be_added_or_changed(admin: Client, model: str) -> None:
    pk = everything()[model]

    assert admin.get(f"/admin/notifications/{model}/add/").status_code == 403
    assert admin.post(f"/admin/notifications/{model}/{pk}/change/", {}).status_code == 403


def test_only_failed_deliveries_and_machines_can_be_deleted(admin: Client) -> None:
    statuses = {
        model: admin.post(f"/admin/notifications/{model}/{pk}/delete/", {"post": "yes"}).status_code
        for model, pk in everything().items()
    }

    assert statuses == {**dict.fromkeys(MODELS, 403), "faileddelivery": 302, "machine": 302}
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


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-3, "0 s"), (0.9, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (90_000, "1 d")]
)
def test_durations_have_one_unit(seconds: float, shown: str) -> None:
    assert duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == shown


def test_the_last_line_of_an_error_fits_into_a_list() -> None:
    assert last_line(TRACEBACK) == "ValueError: <b>nope</b>"
    assert last_line("x" * 1000) == "x" * 159 + "…"


def test_a_line_that_was_not_loaded_from_its_start_says_so() -> None:
    assert last_loaded_line("x" * LOADED).startswith("…x")
    assert last_loaded_line("x" * (LOADED - 4) + "\nend") == "end"
    assert last_loaded_line("short") == "short"
    assert last_line("") == ""
