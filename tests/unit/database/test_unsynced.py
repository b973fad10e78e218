"""Commits that do not wait for the disk, and those after them that do."""

from pathlib import Path

import pytest
from django.db import connection, transaction

from notifications import keep
from notifications.database.unsynced import unsynced
from notifications.models import RawPayload, State

OFF, NORMAL, FULL = 0, 1, 2
pytestmark = pytest.mark.usefixtures("sqlite_file")


def synchronous() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        return int(cursor.fetchone()[0])


def set_to(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA synchronous = {number}")


@pytest.mark.parametrize(("set_before", "inside"), [(FULL, NORMAL), (NORMAL, NORMAL), (OFF, OFF)])
def test_in_the_block_alone(set_before: int, inside: int) -> None:
    set_to(set_before)
    with unsynced(connection):
        assert synchronous() == inside
    assert synchronous() == set_before


def test_after_an_error_too() -> None:
    set_to(FULL)
    with pytest.raises(ZeroDivisionError), unsynced(connection):
        raise ZeroDivisionError
    assert synchronous() == FULL


def test_a_connection_that_is_new_keeps_its_own() -> None:
    set_to(FULL)
    with unsynced(connection):
        connection.close()
    assert connection.connection is None


def test_a_transaction_that_is_open_is_synced_as_its_owner_wants() -> None:
    set_to(FULL)
    with transaction.atomic(), unsynced(connection):
        assert synchronous() == FULL


def test_a_claim_is_not_synced_and_its_end_is(sqlite_file: Path) -> None:
    keep("demo", b"x")
    set_to(FULL)
    said: list[str] = []
    connection.connection.set_trace_callback(said.append)
    claim = RawPayload.objects.claim(State.RECEIVED, token=RawPayload().receipt, limit=1, lease=60)
    (payload,) = RawPayload.objects.load(claim, max_bytes=1000)
    with payload.done():
        pass
    connection.connection.set_trace_callback(None)
    writes = [sql.split()[0] if "PRAGMA" not in sql else sql for sql in said if not sql.startswith("SELECT")]
    assert writes.index("PRAGMA synchronous = 1") < writes.index("WITH") < writes.index("PRAGMA synchronous = 2")
    assert writes.index("PRAGMA synchronous = 2") < writes.index("UPDATE")
