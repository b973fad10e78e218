"""The list of payloads: pages by keys, filters, search."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import keep
from notifications.admin.lists import cells, filters, keyset, keyset_list
from notifications.admin.payloads.list import RawPayloadAdmin
from notifications.models import RawPayload, SourceTotal, State
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


# Search in texts


def found(admin: Client, term: str, more: str = "") -> list[int]:
    return listed(admin, f"{urlencode({'q': term})}{more}")


def test_paths_errors_and_request_ids_are_searched(admin: Client) -> None:
    by_path = payload(path="/in/demo/orders/")
    by_error = payload(error=f"{TRACEBACK}KeyError: 'prix'", state=State.DEAD, next_attempt_at=None)
    by_header = payload(headers={"x-request-id": "0c8e-trace", "x-note": 'é "quoted"'})
    payload(b"orders prix 0c8e-trace")  # bodies are not

    assert found(admin, "/orders") == found(admin, "ORDERS") == [by_path.pk]
    assert found(admin, "keyerror: 'PRIX'") == [by_error.pk]
    assert found(admin, "0c8e-trace") == found(admin, 'é "quoted"') == [by_header.pk]
    assert found(admin, "prix", "&state=dead") == [by_error.pk]
    assert found(admin, "prix", "&state=done") == found(admin, "prix", "&source=contact") == []


@pytest.mark.parametrize("term", ["%", "_", "\\", "x" * 201, "x" * 100_000, '"', "'"])
def test_a_term_is_text_and_no_pattern(admin: Client, term: str) -> None:
    payload(path="/in/demo/")
    assert found(admin, term) == []


def test_a_key_comes_first_and_the_page_says_that_texts_were_not_searched(admin: Client) -> None:
    payload(path="/order-7/")
    keyed = RawPayload.objects.get(receipt=keep("contact", b"", key="order-7"))
    answer = admin.get(f"{LIST}?q=order-7")
    assert [row.pk for row in answer.context["cl"].result_list] == [keyed.pk]
    assert "Found by receipt or key; texts were not searched." in answer.content.decode()


def test_the_page_says_which_times_it_searched_and_links_further(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset_list, "SEARCHED", 3)
    start = timezone.now().replace(hour=10, minute=0, second=0, microsecond=0)
    wanted, *_ = (
        payload(received_at=start + timedelta(minutes=n), path="/wanted/" if n == 0 else "") for n in range(6)
    )

    def clock(minutes: int) -> str:
        return cells.exact(start + timedelta(minutes=minutes))

    first = admin.get(f"{LIST}?q=wanted")
    assert first.context["cl"].result_list == []
    assert f"in those received from {clock(2)} to {clock(5)}." in first.content.decode()
    second = admin.get(f"{LIST}{first.context['cl'].further_address}")
    assert [row.pk for row in second.context["cl"].result_list] == [wanted.pk]
    assert f"in those received from {clock(0)} to {clock(2)}." in second.content.decode()
    assert "Search further" not in second.content.decode()
    assert "in those received from" not in admin.get(LIST).content.decode()
    due = admin.get(f"{LIST}?q=wanted&state=received").context["cl"]
    assert due.searched.startswith("due from ")


# Sorting: the columns 4, 6 and 7 are age, attempts and size.


def test_the_oldest_come_first_page_by_page(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RawPayloadAdmin, "list_per_page", 2)
    pks = [payload().pk for _ in range(5)]
    first = admin.get(f"{LIST}?o=-4").context["cl"]
    second = admin.get(f"{LIST}{first.after_address}").context["cl"]
    assert [row.pk for each in (first, second) for row in each.result_list] == pks[:4]
    assert listed(admin, "o=4") == pks[:2:-1]
    hour = admin.get(f"{LIST}?o=-4&received=hour").context["cl"]
    assert [row.pk for row in hour.result_list] == pks[:2]


def test_the_largest_and_the_most_tried_come_first(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RawPayloadAdmin, "list_per_page", 2)
    pks = [payload(size=size, attempts=-size + 9).pk for size in (3, 1, 5, 2, 4)]
    by_size = [pks[n] for n in (2, 4, 0, 3, 1)]
    first = admin.get(f"{LIST}?o=-7").context["cl"]
    second = admin.get(f"{LIST}{first.after_address}").context["cl"]
    third = admin.get(f"{LIST}{second.after_address}").context["cl"]
    assert [row.pk for each in (first, second, third) for row in each.result_list] == by_size
    assert third.after_address == ""
    assert listed(admin, third.before_address[1:]) == by_size[2:4]
    assert listed(admin, "o=7") == listed(admin, "o=-6") == by_size[:2:-1]
    assert listed(admin, "o=-7&state=received&p=2") == by_size[2:4]
    assert listed(admin, "o=-7&p=99") == by_size[4:]
    assert listed(admin, "o=-7&state=dead") == []


def test_only_the_first_are_sorted_and_the_page_says_so(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    old = payload(size=9)
    pks = [payload(size=size).pk for size in (1, 2, 3)]
    assert "Sorted among" not in admin.get(f"{LIST}?o=-7").content.decode()
    monkeypatch.setattr(keyset, "SORTED", 3)
    answer = admin.get(f"{LIST}?o=-7")
    assert [row.pk for row in answer.context["cl"].result_list] == pks[::-1]
    assert "Sorted among the first 3 of them: filters show others." in answer.content.decode()
    act(admin, "give_up", old, address=f"{LIST}?o=-7", select_across="1")  # all that match, not those that are sorted
    assert not RawPayload.objects.exclude(state=State.DEAD).exists()


def test_what_waits_is_sorted_by_age_too(admin: Client) -> None:
    now = timezone.now()
    old, new = (
        payload(received_at=now - timedelta(hours=age), next_attempt_at=now + timedelta(hours=age)).pk for age in (2, 1)
    )
    assert listed(admin, "state=received") == listed(admin, "state=received&o=4") == [new, old]
    assert listed(admin, "state=received&o=-4") == [old, new]


# Chips


def chips(admin: Client, query: str = "") -> dict[str, str]:
    """By the text of a chip, its count."""
    return {chip.text: chip.rows for each in admin.get(f"{LIST}?{query}").context["cl"].chips for chip in each.chips}


def test_chips_count_what_is_cheap_to_count(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = group()
    for _ in range(3):
        payload(state=State.DEAD, failure=failing, next_attempt_at=None)
    payload(state=State.DONE, done_at=timezone.now(), next_attempt_at=None)
    payload()
    SourceTotal.objects.create(source="demo", waiting=12_345, counted_at=timezone.now())

    found = chips(admin)
    assert (found["Dead"], found["Received"], found["Retrying"], found["Done"]) == ("3", "1", "0", "")
    assert (found["demo"], found["contact"]) == ("12,345 waiting", "")
    assert found["demo: KeyError: 'price'"] == "3"
    assert chips(admin, "state=dead")["Dead"] == "3"
    assert set(chips(admin, "state=dead&source=demo").values()) == {""}  # of both nobody knows
    assert set(chips(admin, "q=x").values()) == {""}
    monkeypatch.setattr(filters, "COUNTED", 2)
    assert chips(admin)["Dead"] == "2+"


def test_a_chip_leads_to_its_rows_and_says_which_is_chosen(admin: Client) -> None:
    dead = payload(state=State.DEAD, next_attempt_at=None)
    text = admin.get(f"{LIST}?state=dead").content.decode()
    assert '<a class="chip" href="?state=dead" aria-current="true">Dead <span class="chip-count">1</span></a>' in text
    assert text.count('aria-current="true"') == 3  # and all sources, all times
    assert "Clear all filters" in text
    assert listed(admin, "state=dead") == [dead.pk]
