"""The list of payloads: pages by keys, filters, search."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import keep
from notifications.admin.lists import keyset
from notifications.admin.payloads.list import RawPayloadAdmin
from notifications.models import RawPayload, State
from tests.support.admin import LIST, TRACEBACK, act, group, listed, payload

pytestmark = pytest.mark.django_db


def test_the_list_neither_counts_nor_loads_bodies(admin: Client) -> None:
    for _ in range(3):
        payload(b"secret", error=TRACEBACK)

    with CaptureQueriesContext(connection) as few:
        answer = admin.get(LIST)
    RawPayload.objects.bulk_create(
        RawPayload(source="demo", inline_body=b"secret", size=6, received_at=timezone.now()) for _ in range(20)
    )
    with CaptureQueriesContext(connection) as more:
        admin.get(LIST)

    assert len(few) == len(more)
    queries = [query["sql"] for query in more if "notifications_rawpayload" in query["sql"]]
    assert len(queries) == 6  # the list, and the chips of five states
    for sql in queries:
        assert "COUNT(" not in sql.upper()
        assert '"inline_body"' not in sql
        assert '"headers_json"' not in sql
    assert "ValueError: &lt;b&gt;nope&lt;/b&gt;" in answer.content.decode()
    assert "Traceback" not in answer.content.decode()


ODD = "p=0 p=x p=² all= o=2 _facets=True state=nope until=x until= received=x failure=%00 q=%00 e=1 after=x before=-1"
ODD += f" p={10**30} failure={10**30} after={10**30} after=1-2 after=%00 source=%00 source= q=01234567-%00 before=²"


@pytest.mark.parametrize("query", ODD.split())
def test_odd_addresses_do_no_harm(admin: Client, query: str) -> None:
    payload()

    with CaptureQueriesContext(connection) as queries:
        assert admin.get(f"{LIST}?{query}").status_code in {200, 302}
    assert not any("COUNT(" in each["sql"].upper() for each in queries)


@pytest.mark.parametrize("lookup", ["body__startswith=s", "error__contains=s", "headers_json__gt=s", "state__in=done"])
def test_lookups_in_the_address_tell_nothing(admin: Client, lookup: str) -> None:
    payload(b"secret")

    assert admin.get(f"{LIST}?{lookup}").status_code == 400


def test_filters_and_search(admin: Client) -> None:
    dead = payload(state=State.DEAD, next_attempt_at=None)
    retrying = payload(state=State.RETRYING)
    keyed = RawPayload.objects.get(receipt=keep("contact", b"", key="order-7%"))

    def found(query: str) -> list[int]:
        return listed(admin, query)

    assert found("state=dead") == [dead.pk]
    assert found("state=retrying") == [retrying.pk]
    assert found("source=contact") == found("q=order-7%25") == found("q=+order-7%25+") == [keyed.pk]
    assert found(f"q={dead.receipt}") == found(f"q={dead.receipt.hex}") == [dead.pk]
    assert found("q=order") == found("q=%25") == []


def test_a_receipt_is_found_by_its_start_and_a_key_as_a_whole(admin: Client) -> None:
    stored, other = payload(), payload()
    receipt = str(stored.receipt)

    for term in (
        receipt,
        receipt[:8],
        receipt[:13],
        receipt.replace("-", "")[:20],
        receipt.upper(),
        f" {receipt[:9]} ",
    ):
        assert listed(admin, urlencode({"q": term})) == [stored.pk]
    assert listed(admin, f"q={receipt[:7]}") == []
    assert listed(admin, f"q={receipt[:8]}&state=dead") == []
    RawPayload.objects.filter(pk=other.pk).update(idempotency_key="01234567")
    assert listed(admin, "q=01234567") == [other.pk]


def test_pages_go_on_where_the_last_one_ended_whatever_comes_and_goes(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RawPayloadAdmin, "list_per_page", 3)
    pks = [payload().pk for _ in range(8)][::-1]

    first = admin.get(LIST)
    cl = first.context["cl"]
    assert [row.pk for row in cl.result_list] == pks[:3]
    assert cl.before_address == ""
    assert "Select all that match" in first.content.decode()
    payload()  # comes
    RawPayload.objects.filter(pk=pks[2]).delete()  # goes: the page ended there
    second = admin.get(f"{LIST}{cl.after_address}").context["cl"]
    assert [row.pk for row in second.result_list] == pks[3:6]
    third = admin.get(f"{LIST}{second.after_address}").context["cl"]
    assert [row.pk for row in third.result_list] == pks[6:]
    assert third.after_address == ""
    back = admin.get(f"{LIST}{third.before_address}").context["cl"]
    assert [row.pk for row in back.result_list] == pks[3:6]
    newest = RawPayload.objects.order_by("-pk").values_list("pk", flat=True)
    assert listed(admin, back.before_address[1:]) == list(newest[:3])


def test_links_of_filters_begin_at_the_first_page(admin: Client) -> None:
    for _ in range(3):
        payload()
    text = admin.get(f"{LIST}?state=received&after=1-{RawPayload.objects.latest('pk').pk}").content.decode()
    assert "?source=demo&amp;state=received" in text
    assert 'name="after"' not in text


def test_what_waits_comes_by_its_next_attempt(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RawPayloadAdmin, "list_per_page", 2)
    now = timezone.now()
    later, sooner, same = (
        payload(state=State.RETRYING, next_attempt_at=now + timedelta(minutes=minutes)).pk for minutes in (9, 1, 1)
    )

    cl = admin.get(f"{LIST}?state=retrying").context["cl"]

    assert [row.pk for row in cl.result_list] == [sooner, same]
    assert listed(admin, cl.after_address[1:]) == [later]


def test_a_page_looks_through_so_many_and_says_how_to_look_further(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "WINDOW", 3)
    wanted = payload(state=State.DONE, done_at=timezone.now(), next_attempt_at=None)
    for _ in range(6):
        payload()

    first = admin.get(f"{LIST}?state=done")
    assert "Search further" in first.content.decode()
    assert list(first.context["cl"].page.rows) == []
    second = admin.get(f"{LIST}{first.context['cl'].further_address}")
    assert [row.pk for row in second.context["cl"].result_list] == [wanted.pk]
    back = admin.get(f"{LIST}{second.context['cl'].before_address}").context["cl"]
    assert back.further_address == back.before_address != ""


def test_payloads_of_a_failure_and_of_a_time(admin: Client) -> None:
    now = timezone.now()
    failing, other = group(), group("ValueError")
    old = payload(state=State.DEAD, failure=failing, received_at=now - timedelta(days=3), next_attempt_at=None)
    new = payload(state=State.DEAD, failure=failing, next_attempt_at=None)
    payload(state=State.DEAD, failure=other, next_attempt_at=None)

    both = f"failure={failing.pk}"
    assert listed(admin, both) == [new.pk, old.pk]
    assert listed(admin, f"{both}&received=day") == listed(admin, f"{both}&received=hour&state=dead") == [new.pk]
    assert listed(admin, f"{both}&received=week&source=demo") == [new.pk, old.pk]
    assert listed(admin, f"{both}&until=2+days+ago") == listed(admin, "until=2+days+ago") == [old.pk]
    assert listed(admin, f"{both}&source=contact") == listed(admin, f"{both}&state=done") == []
    assert "is not a time" in admin.get(f"{LIST}?until=x").content.decode()
    assert f"?failure={failing.pk}" in admin.get(LIST).content.decode()


@pytest.mark.parametrize("query", ["state=nope", "failure=x", "received=x", "until=x", "source=%00", "failure=77"])
def test_a_choice_that_is_none_shows_nothing_as_an_action_on_all_may_follow(admin: Client, query: str) -> None:
    stored = payload(state=State.DEAD, next_attempt_at=None)

    assert listed(admin, query) == []
    act(admin, "process_again", stored, address=f"{LIST}?{query}", select_across="1", confirmed="yes")
    assert RawPayload.objects.get(pk=stored.pk).state == State.DEAD
