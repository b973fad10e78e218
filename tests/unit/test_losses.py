"""What was lost or refused is on record, whatever is in it."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from notifications import losses
from notifications.channels.losses import Losses
from notifications.events import Event, _data, _loads
from notifications.journal import Gap
from notifications.models import FailedDelivery, Loss
from notifications.positions import Key

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
    return Event("LOST", text, NOW, data, "token:7")


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_failed_delivery() -> None:
    losses.record_failed("SLACK", [event("Ada", user=7), event("Eve")], "no such channel")
    first, second = FailedDelivery.objects.order_by("pk")
    assert (first.channel, first.event_id, first.event_time, first.text) == ("SLACK", "token:7", NOW, "Ada")
    assert (first.data, first.reason) == ({"user": 7}, "no such channel")
    assert second.text == "Eve"


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_a_failed_delivery_with_what_databases_refuse(value: Any) -> None:
    losses.record_failed("SLACK", [Event("SLACK", "a\0\ud800", NOW, {"value": value}, "a\0:1")], "why\0\udcff")
    row = FailedDelivery.objects.get()
    assert (row.text, row.reason, row.event_id) == ("a\ufffd?", "why\ufffd?", "a\ufffd:1")
    assert "value" in row.data


@pytest.mark.parametrize("depth", [10, 90, 400, 800])
def test_a_failed_delivery_with_many_levels(depth: int) -> None:
    data = _loads(_data({"value": nested(depth)}))
    losses.record_failed("SLACK", [event(**data)], "why")
    assert FailedDelivery.objects.get().data


def test_a_gap_is_recorded_once_for_each_channel_and_position() -> None:
    key = Key("machine", "memory://", "SLACK")
    for _ in range(2):
        losses.record_gap(key, Gap("5", "vacuum"))
    losses.record_gap(key._replace(channel="REPORT"), Gap("5", "vacuum"))
    losses.record_gap(key, Gap("6", "vacuum"))
    assert Loss.objects.count() == 3
    assert set(Loss.objects.values_list("count", flat=True)) == {None}


def test_what_emit_dropped() -> None:
    told = event(reason="full", count=12, since=SINCE.isoformat(), until=NOW.isoformat(), pid=99)
    for _ in range(2):  # delivered at least once, recorded once
        Losses("LOST").deliver([told])
    loss = Loss.objects.get()
    assert (loss.origin, loss.reason, loss.count) == ("process 99", "full", 12)
    assert (loss.since, loss.until) == (SINCE, NOW)


@pytest.mark.parametrize("value", [None, "12", -1, True, 2**63, 2**80, 1.5, float("nan"), [1], {}])
def test_a_count_that_is_none_is_unknown(value: Any) -> None:
    Losses("LOST").deliver([event("3 events: why", count=value)])
    loss = Loss.objects.get()
    assert (loss.count, loss.reason) == (None, "3 events: why")


@pytest.mark.parametrize("value", [None, "", "yesterday", "2026-13-45T00:00:00+00:00", "2026-05-01T00:00:00", 7, {}])
def test_times_that_are_none_are_unknown(value: Any) -> None:
    Losses("LOST").deliver([event(since=value, until=value, count=1)])
    loss = Loss.objects.get()
    assert (loss.since, loss.until) == (None, NOW)


def test_losses_without_an_id_are_told_apart() -> None:
    Losses("LOST").deliver([Event("LOST", "a", NOW), Event("LOST", "b", NOW)])
    assert sorted(Loss.objects.values_list("reason", flat=True)) == ["a", "b"]
