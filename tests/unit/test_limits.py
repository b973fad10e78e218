"""What counts towards a source's quota, and that counting stays cheap."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications.conf import Source
from notifications.errors import QuotaFull
from notifications.models import RawPayload, State
from notifications.raw import limits
from tests.support.payloads import kept

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]
FEW = Source(name="demo", max_waiting=2)


@pytest.mark.parametrize("state", State)
def test_what_waits_or_is_being_handled_counts(state: State) -> None:
    waits = state in limits.WAITING
    for _ in range(2):
        kept()
    RawPayload.objects.update(state=state)
    if not waits:
        RawPayload.objects.update(next_attempt_at=None)
        limits.check_quota(FEW)
        return
    with pytest.raises(QuotaFull, match="2 payloads of demo"):
        limits.check_quota(FEW)


def test_other_sources_do_not_count() -> None:
    for _ in range(3):
        kept(source="photo")
    limits.check_quota(FEW)


def test_no_limit_asks_nothing() -> None:
    with CaptureQueriesContext(connection) as queries:
        limits.check_quota(Source(name="demo"))
    assert len(queries) == 0


def test_asks_once_in_a_while() -> None:
    with CaptureQueriesContext(connection) as queries:
        for _ in range(20):
            limits.check_quota(FEW)
    assert len(queries) < 5


def test_what_is_done_is_not_walked_through() -> None:
    with CaptureQueriesContext(connection) as queries:
        limits.check_quota(FEW)
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + queries.captured_queries[-1]["sql"])
        assert "raw_due" in str(cursor.fetchall())
