"""Pages by keys: going on and going back meets each row once, whatever the order, the ties and the window."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Q

from notifications.admin.lists import keyset
from notifications.admin.lists.keyset import AFTER, BEFORE, Listing, Page
from notifications.admin.lists.order import Order
from notifications.models import RawPayload

pytestmark = pytest.mark.django_db

START = datetime(2026, 5, 1, tzinfo=UTC)
ORDERS = [Order(), Order(ascending=True), Order("received_at"), Order("received_at", ascending=True)]


@pytest.fixture
def rows() -> None:
    """Three of each moment, every fourth from another source, and not in the order of their ids."""
    RawPayload.objects.bulk_create(
        RawPayload(
            source="contact" if n % 4 else "demo",
            size=0,
            inline_body=b"",
            received_at=START + timedelta(seconds=n * 7 % 30 // 3),
        )
        for n in range(30)
    )


def expected(order: Order, **conditions: Any) -> list[int]:
    return list(RawPayload.objects.filter(**conditions).order_by(*order.fields()).values_list("pk", flat=True))


def walk(listing: Listing, link: str, key: str = "") -> list[Page]:
    """The pages from a key on, in one direction."""
    pages = [listing.page({link: key}, 4)]
    while key := pages[-1].after if link == AFTER else pages[-1].before:
        pages.append(listing.page({link: key}, 4))
    return pages


def ids(pages: list[Page]) -> list[int]:
    return [row.pk for page in pages for row in page.rows]


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("source", ["", "demo"])
def test_there_and_back(order: Order, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset, "WINDOW", 5)
    conditions = {"source": source} if source else {}
    listing = Listing.of(RawPayload.objects.all(), order, [], [Q(**conditions)] if source else [])

    there = walk(listing, AFTER)
    assert ids(there) == expected(order, **conditions)
    assert any(page.cut for page in there) is bool(source)

    last = [row for page in there for row in page.rows][-1]
    back = walk(listing, BEFORE, order.text(order.key(last)))
    assert set(ids(back)) == set(expected(order, **conditions)) - {last.pk}
    assert ids([*back][::-1])[:1] == expected(order, **conditions)[:1]


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("order", ORDERS[2:], ids=str)
@pytest.mark.parametrize("source", ["", "demo"])
def test_between_two_times(order: Order, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset, "WINDOW", 5)
    since, until = START + timedelta(seconds=2), START + timedelta(seconds=8)
    others = [Q(source=source)] if source else []
    listing = Listing.of(RawPayload.objects.all(), order, [], others, since=since, until=until)

    wanted = expected(order, received_at__gte=since, received_at__lt=until, **({"source": source} if source else {}))

    assert ids(walk(listing, AFTER)) == wanted
    assert {row.pk for row in listing.all} == set(wanted)


@pytest.mark.usefixtures("rows")
def test_what_is_counted_is_bounded() -> None:
    listing = Listing(RawPayload.objects.all())
    assert str(listing.count("source", 30)) == "30"
    assert listing.count("source", 30).by_value == {"contact": 22, "demo": 8}
    assert str(listing.count("source", 29)) == "29+"


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "1-", "-", "1-2-3", " 1", "1 ", "²", "1.0", "0x1", "9" * 19, "9" * 30, "9" * 18 + "-1", "1\n"],
)
def test_keys_that_nobody_made_are_none(order: Order, text: str) -> None:
    assert order.parse(text) is None
    assert order.parse(f"{'1-' * (not order.column)}1") is None


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_a_key_is_read_as_it_was_written(order: Order) -> None:
    time = START + timedelta(microseconds=7) if order.column else None
    for pk in (1, 2**63 - 1):
        assert order.parse(order.text((time, pk))) == (time, pk)
