"""Leases by source on a real PostgreSQL, and how long its server bears with a transaction that does nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from notifications.process_raw.claim_and_handle import ProcessRaw
from notifications.workers.loop import Stop
from tests.contracts.leases import SOURCES, LeasesCases
from tests.support.payloads import kept, states

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("postgres_database", "state_dir")]


class TestLeases(LeasesCases):
    pass


def test_a_handlers_session_has_the_time_of_its_lease(on_demo: Callable[..., None], settings: Any) -> None:
    limits = []

    def ask(_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            limits.append(cursor.fetchone()[0])

    settings.NOTIFICATIONS_SOURCES = SOURCES
    for source in (*SOURCES, *SOURCES):
        on_demo(ask, source=source)
        kept(source=source)
    stop = Stop()
    worker = ProcessRaw(stop)
    while worker.poll() == 0:
        pass
    worker.close()
    stop.close()
    assert states() == ["done"] * 4
    assert limits == ["1min", "1min", "1h", "1h"]
