"""Counts of several querysets by one query."""

from typing import Any

import pytest

from notifications import keep
from notifications.database.bounded_counts import bounded_counts
from notifications.models import Loss, RawPayload, State

pytestmark = pytest.mark.django_db


def test_each_is_counted_up_to_the_limit(django_assert_num_queries: Any) -> None:
    for number in range(5):
        keep("demo", b"%d" % number)
    payloads = RawPayload.objects.all()
    querysets = [
        payloads,
        payloads.filter(state=State.DEAD),
        payloads.filter(source="demo", pk__in=payloads.order_by("-pk").values("pk")[:2]),
        payloads.filter(pk__in=[]),
        payloads.filter(source="100 % 'of' %s"),
        Loss.objects.all(),
        payloads.order_by("-received_at").filter(state=State.RECEIVED),
    ]
    with django_assert_num_queries(1):
        assert bounded_counts(querysets, 3) == [3, 0, 2, 0, 0, 0, 3]
