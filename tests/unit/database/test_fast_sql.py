"""Statements without Django's cursor raise Django's errors, and give what the ORM gives."""

import pytest
from django.db import Error, connection
from django.forms import model_to_dict

from notifications.database.fast_sql import fetch_all, fetch_models
from notifications.models import RawPayload
from tests.support.payloads import claimed, kept

pytestmark = pytest.mark.django_db


def test_rows() -> None:
    assert fetch_all(connection, "SELECT %s UNION ALL SELECT 2 ORDER BY 1", [1]) == [(1,), (2,)]


def test_an_error_at_a_later_row() -> None:
    """As of a disk that is full while SQLite returns what an UPDATE has changed."""
    rows = "SELECT 1 AS x UNION ALL SELECT -9223372036854775808"
    with pytest.raises(Error, match=r"overflow|out of range"):
        fetch_all(connection, f"SELECT abs(x) FROM ({rows}) AS numbers", [])


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("uses_time_zones", [True, False])
def test_objects_are_those_of_the_orm(settings: object, uses_time_zones: bool) -> None:
    settings.USE_TZ = uses_time_zones  # type: ignore[attr-defined]  # pytest-django's
    kept(body=b"\x00\xff")
    claimed()
    (ours,), orms = fetch_models(connection, RawPayload, "id > %s", [0]), RawPayload.objects.get()
    assert (repr(model_to_dict(ours)), ours.receipt) == (repr(model_to_dict(orms)), orms.receipt)
    ours.save()
    assert RawPayload.objects.count() == 1


@pytest.mark.usefixtures("database")
def test_a_deferred_column_is_fetched_when_it_is_asked_for(django_assert_num_queries: object) -> None:
    kept(body=b"x")
    (payload,) = fetch_models(connection, RawPayload, "id > %s", [0], without="inline_body")
    assert payload.get_deferred_fields() == {"inline_body"}
    with django_assert_num_queries(1):  # type: ignore[operator]  # pytest-django's own is untyped
        assert bytes(payload.inline_body or b"") == b"x"
