"""What a worker meets while the database is away, for those who report it."""

from collections.abc import Callable

import pytest
from django.db import OperationalError

from notifications import keep
from notifications.models import RawPayload
from notifications.models.claims import RawPayloadQuerySet
from notifications.process_raw import claim_and_handle as module
from notifications.process_raw.claim_and_handle import ProcessRaw
from notifications.process_raw.database_outage import DatabaseOutage
from notifications.workers.loop import Stop
from tests.support.payloads import states
from tests.support.wait import wait_for

pytestmark = pytest.mark.usefixtures("sqlite_file")


def away(*_: object, **__: object) -> int:
    raise OperationalError("server closed the connection unexpectedly: body=secret")


def turned_without_problem(worker: ProcessRaw, outage: DatabaseOutage) -> bool:
    """After a failure the worker pauses."""
    worker.poll()
    return not outage.problem()


def fail(payload: RawPayload) -> None:
    raise ValueError("bug")


def test_a_handler_that_dies_together_with_the_database(
    stop: Stop, on_demo: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = DatabaseOutage()
    worker = ProcessRaw(stop, outage=outage)
    on_demo(fail)
    receipt = keep("demo", b"x")
    assert outage.problem() == ""
    with monkeypatch.context() as patch:
        patch.setattr(RawPayloadQuerySet, "fail", away)
        worker.poll()
    with monkeypatch.context() as patch:
        patch.setattr(RawPayloadQuerySet, "release", away)
        for _ in range(3):
            worker.poll()
    assert "cannot use the database since " in outage.problem()
    assert f"(OperationalError). In hand, with nothing recorded: demo {receipt} attempt 1" in outage.problem()
    assert "secret" not in outage.problem()
    wait_for(lambda: turned_without_problem(worker, outage))
    assert states() == ["retrying"]
    worker.close()


def test_an_idle_worker_without_a_database(stop: Stop, monkeypatch: pytest.MonkeyPatch) -> None:
    outage = DatabaseOutage()
    workers = [ProcessRaw(stop, outage=outage) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(module, "import_spool", away)
        for worker in workers:
            worker.poll()
    assert outage.problem().endswith("(OperationalError)")
    wait_for(lambda: all(turned_without_problem(worker, outage) for worker in workers))
    for worker in workers:
        worker.close()


def test_it_is_over_with_the_first_payload_that_is_handled(stop: Stop, on_demo: Callable[..., None]) -> None:
    """A backlog may take an hour."""
    outage = DatabaseOutage()
    seen: list[str] = []
    on_demo(lambda _: seen.append(outage.problem()))
    worker = ProcessRaw(stop, outage=outage)
    outage.failed(OperationalError("away"), None)
    for _ in range(3):
        keep("demo", b"x")
    worker.poll()
    worker.close()
    assert [bool(text) for text in seen] == [True, False, False]
