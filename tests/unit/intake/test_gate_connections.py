"""Database connections at the gate: what Django does with them around each request."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections

from notifications import wsgi
from notifications.models import RawPayload
from tests.support.gate_calls import AtGate
from tests.support.gate_ways import environ

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("state_dir")]


@pytest.fixture
def at_gate() -> Iterator[AtGate]:
    noted = AtGate()
    yield noted
    noted.close()
    connection.close()


def post(application: Any) -> Any:
    """The answer's body, which the server has not closed yet."""
    statuses: list[str] = []
    body = application(environ("/in/demo/"), lambda status, _: statuses.append(status))
    assert statuses == ["202 Accepted"]
    return body


@pytest.mark.parametrize("age", [0, 60, None])
def test_a_connection_has_its_age(age: int | None, monkeypatch: pytest.MonkeyPatch, at_gate: AtGate) -> None:
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", age)
    connection.close()
    application = wsgi.Handler()
    body = post(application)
    first = connection.connection
    assert first is not None
    body.close()
    assert connection.connection is (None if age == 0 else first)
    post(application).close()
    assert len(at_gate.answered) == 2


def test_one_that_is_too_old_is_replaced(monkeypatch: pytest.MonkeyPatch, at_gate: AtGate) -> None:
    application = wsgi.Handler()
    post(application).close()
    first = connection.connection
    monkeypatch.setattr(connection, "close_at", 0.0)
    post(application)
    assert connection.connection is not first
    assert len(at_gate.answered) == 2


@pytest.mark.parametrize("usable", [True, False])
def test_one_that_has_failed_is_tried(usable: bool, monkeypatch: pytest.MonkeyPatch, at_gate: AtGate) -> None:
    application = wsgi.Handler()
    post(application).close()
    first = connection.connection
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    assert connection.errors_occurred
    monkeypatch.setattr(connection, "is_usable", lambda: usable)
    post(application).close()
    assert (connection.connection is first) is usable
    assert RawPayload.objects.count() == len(at_gate.answered) == 2


@pytest.mark.parametrize("left", ["BEGIN", "autocommit"])
def test_what_an_earlier_request_left_open_takes_no_post_along(left: str, at_gate: AtGate) -> None:
    application = wsgi.Handler()
    if left == "BEGIN":
        connection.cursor().execute("BEGIN")
    else:
        connection.set_autocommit(False)
    post(application).close()
    connection.close()
    assert RawPayload.objects.count() == len(at_gate.answered) == 1


def test_a_thread_of_its_own_leaves_no_connection(monkeypatch: pytest.MonkeyPatch, at_gate: AtGate) -> None:
    application = wsgi.Handler()
    left: list[Any] = []

    def answer() -> None:
        connection.settings_dict["CONN_MAX_AGE"] = 0
        post(application).close()
        left.extend(db.connection for db in connections.all(initialized_only=True))

    thread = threading.Thread(target=answer)
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    thread.start()
    thread.join()
    assert left == [None]
    assert RawPayload.objects.count() == len(at_gate.answered) == 1
