"""Rows of several tables by one statement."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from notifications import keep
from notifications.database.fast_sql import aware_time, table_of
from notifications.database.read_together import Part, read_together
from notifications.models import Loss, RawPayload

pytestmark = pytest.mark.django_db

PAYLOADS = f"FROM {table_of(RawPayload)}"


def test_each_part_has_its_rows_in_its_order(django_assert_num_queries: Any) -> None:
    for number in range(5):
        keep("demo", b"%d" % number * (number + 1))
    parts = {
        "youngest": Part(("size", "source"), f"{PAYLOADS} WHERE source = %s ORDER BY id DESC LIMIT 2", ("demo",)),
        "counted": Part(("COUNT(*)",), f"FROM (SELECT 1 {PAYLOADS} LIMIT 3) counted"),
        "nothing": Part(("source",), f"{PAYLOADS} WHERE source = %s", ("100 % 'of' %s",)),
        "constant": Part(("1", "NULL"), ""),
    }
    with django_assert_num_queries(1):
        found = read_together(connection, parts)
    assert found == {"youngest": [[5, "demo"], [4, "demo"]], "counted": [[3]], "nothing": [], "constant": [[1, None]]}


def test_what_is_in_a_row_comes_back() -> None:
    text, until = "\"[{\\u2028\U0001f389\t\n'%", datetime(2026, 11, 28, 9, 1, 2, 3456, UTC)
    Loss.objects.create(origin=text, reason="", key="1", count=2**60, until=until)
    part = Part(("origin", "reason", "count", "until", "since"), f"FROM {table_of(Loss)}")
    ((*values, time, since),) = read_together(connection, {"losses": part})["losses"]
    assert values == [text, "", 2**60]
    assert aware_time(connection, datetime.fromisoformat(time)) == until
    assert since is None
