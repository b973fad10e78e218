"""What was lost or refused is on record, whatever is in it."""

import socket
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.utils import timezone

from notifications.events.encoding import dump_data, load_data
from notifications.events.event import Event
from notifications.follow_journal import record_undelivered
from notifications.journal import Gap
from notifications.models import FailedDelivery, Loss
from notifications.positions.key import Key

pytestmark = pytest.mark.django_db

NOW: Final = datetime(2026, 5, 1, 14, 2, tzinfo=UTC)
SINCE: Final = datetime(2026, 5, 1, 14, 0, tzinfo=UTC)
ODD: Final = [
    "a\0b\ud800",
    float("nan"),
    float("-inf"),
    2**80,
    {"a\0": ["\0", {"\ud800": 1}]},
    [[[None, True, 1.5]]],
]


def event(text: str = "x", **data: Any) -> Event:
    return Event("SLACK", text, NOW, data, "token:7")


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_failed_delivery() -> None:
    record_undelivered.record_failed("SLACK", [event("Ada", user=7), event("Eve")], "no such channel")
    first, second = FailedDelivery.objects.order_by("pk")
    assert (first.channel, first.event_id, first.event_time, first.text) == ("SLACK", "token:7", NOW, "Ada")
    assert (first.data, first.reason) == ({"user": 7}, "no such channel")
    assert (second.text, second.author_known) == ("Eve", True)


def test_a_failed_plain_line_has_no_known_author() -> None:
    record_undelivered.record_failed("SLACK", [Event("SLACK", "x", NOW, author_known=False)], "why")
    assert not FailedDelivery.objects.get().author_known


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_a_failed_delivery_with_what_databases_refuse(value: Any) -> None:
    record_undelivered.record_failed(
        "SLACK", [Event("SLACK", "a\0\ud800", NOW, {"value": value}, "a\0:1")], "why\0\udcff"
    )
    row = FailedDelivery.objects.get()
    assert (row.text, row.reason, row.event_id) == ("a\ufffd?", "why\ufffd?", "a\ufffd:1")
    assert "value" in row.data


@pytest.mark.parametrize("depth", [10, 90, 400, 800])
def test_a_failed_delivery_with_many_levels(depth: int) -> None:
    data = load_data(dump_data({"value": nested(depth)}))
    record_undelivered.record_failed("SLACK", [event(**data)], "why")
    assert FailedDelivery.objects.get().data


def test_a_gap_is_recorded_once_for_each_channel_and_position() -> None:
    key = Key("machine", "memory://", "SLACK")
    for _ in range(2):
        record_undelivered.record_gap(key, Gap("5", "vacuum"))
    record_undelivered.record_gap(key._replace(channel="REPORT"), Gap("5", "vacuum"))
    record_undelivered.record_gap(key, Gap("6", "vacuum"))
    assert Loss.objects.count() == 3
    assert set(Loss.objects.values_list("count", flat=True)) == {None}


def test_a_gap_says_of_whom_and_as_far_as_known_how_many_and_when() -> None:
    key = Key("machine", "journald://proppy", "SLACK")
    record_undelivered.record_gap(key, Gap("5", "vac\0uum"))
    first = Loss.objects.get()
    assert (first.origin, first.channel) == (f"{socket.gethostname()}: journald://proppy", "SLACK")
    assert (first.reason, first.count, first.since) == ("vac\ufffduum", None, None)
    assert timezone.now() - first.until < timedelta(minutes=1)
    since_us, until_us = (int(moment.timestamp() * 1_000_000) for moment in (SINCE, NOW))
    record_undelivered.record_gap(key, Gap("6", "vacuum", count=312, since_us=since_us, until_us=until_us))
    second = Loss.objects.get(count=312)
    assert (second.since, second.until, second.told_at) == (SINCE, NOW, None)
