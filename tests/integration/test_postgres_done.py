"""The transaction that marks a payload done, on a real PostgreSQL: one statement if it holds nothing else."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.db.transaction import TransactionManagementError

from notifications.models import RawPayload
from notifications.models.claims import LeaseLost
from tests.support.payloads import claimed, expire, kept, release_expired, states

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("postgres_database")]


@pytest.fixture
def payload() -> RawPayload:
    kept()
    (payload,) = claimed()
    return payload


def assert_ready_for_another() -> None:
    """Django and psycopg agree that each statement is on its own."""
    assert connection.get_autocommit()
    assert connection.connection.autocommit
    assert not connection.in_atomic_block
    with transaction.atomic():
        kept(source="photo")
        transaction.set_rollback(True)
    assert not RawPayload.objects.filter(source="photo").exists()


def sent(payload: RawPayload, folder: Path, *before: str) -> str:
    """What libpq sends and gets while the payload is marked done, after these statements of its handler."""
    with (folder / "trace").open("w+b") as file:
        connection.connection.pgconn.trace(file.fileno())
        with payload.done(), connection.cursor() as cursor:
            for statement in before:
                cursor.execute(statement)
        connection.connection.pgconn.untrace()
        file.seek(0)
        return file.read().decode()


def test_without_effects_it_is_one_round_trip(payload: RawPayload, tmp_path: Path) -> None:
    trace = sent(payload, tmp_path)
    assert trace.count("ReadyForQuery") == 1
    assert "BEGIN" not in trace
    assert states() == ["done"]
    assert_ready_for_another()


def test_with_effects_it_is_a_transaction(payload: RawPayload, tmp_path: Path) -> None:
    trace = sent(payload, tmp_path, "SELECT 1")
    assert trace.index("BEGIN") < trace.index("SELECT 1") < trace.index("UPDATE") < trace.index("COMMIT")
    assert states() == ["done"]
    assert_ready_for_another()


@pytest.mark.parametrize("effects", [False, True])
def test_what_waits_for_the_commit_is_called_once_it_is_done(payload: RawPayload, effects: bool) -> None:
    seen: list[list[str]] = []
    with payload.done():
        if effects:
            kept(source="photo")
        transaction.on_commit(lambda: seen.append(states()))
    assert seen == [["done", "received"] if effects else ["done"]]


def test_nothing_is_called_where_the_lease_was_lost(payload: RawPayload) -> None:
    expire()
    release_expired()
    seen: list[Any] = []
    with pytest.raises(LeaseLost), payload.done():
        transaction.on_commit(lambda: seen.append(states()))
    assert (seen, states()) == ([], ["retrying"])
    assert_ready_for_another()


def test_a_handler_that_wants_a_rollback_is_not_done(payload: RawPayload) -> None:
    with pytest.raises(TransactionManagementError), payload.done():
        transaction.set_rollback(True)
    assert states() == ["processing"]
    assert_ready_for_another()


@pytest.mark.parametrize("effects", [False, True])
def test_a_connection_that_breaks_then(payload: RawPayload, effects: bool, postgres_database: str) -> None:
    seen: list[Any] = []
    pid = connection.connection.info.backend_pid
    with pytest.raises(OperationalError), payload.done():
        transaction.on_commit(lambda: seen.append(states()))
        if effects:
            kept(source="welcome")
        with psycopg.connect(postgres_database, autocommit=True) as other:
            assert other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid]).fetchone() == (True,)
    connection.close()
    assert (seen, states()) == ([], ["processing"])
    assert_ready_for_another()
