"""Handlers that delete or change the row of their own payload: the engine's, which they must leave alone."""

import uuid
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from notifications import GiveUp
from notifications.models import RawPayload, ReportRow
from notifications.process_raw.handle_payload import handle
from notifications.testing import handle_bytes
from tests.support.payloads import claimed, kept, states

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]
Register = Callable[..., None]
Spoil = Callable[[RawPayload], Any]


def effect() -> None:
    ReportRow.objects.create(name="effect", day=date(2030, 1, 1), count=1)


def delete_rows(payload: RawPayload) -> None:
    RawPayload.objects.filter(pk=payload.pk).delete()


def mark_done_itself(payload: RawPayload) -> None:
    RawPayload.objects.filter(pk=payload.pk).update(state="done", lease_token=None, next_attempt_at=None)


spoilt = pytest.mark.parametrize("spoil", [RawPayload.delete, delete_rows, mark_done_itself])


@spoilt
@pytest.mark.parametrize("atomic", [True, False])
def test_is_a_failure_that_says_so_at_once_with_its_effects_taken_back(
    on_demo: Register, spoil: Spoil, atomic: bool
) -> None:
    def handler(payload: RawPayload) -> None:
        if atomic:
            effect()
            spoil(payload)
            return
        with payload.done():
            effect()
            spoil(payload)

    on_demo(handler, atomic=atomic)
    kept()
    (payload,) = claimed()
    assert not handle(payload)
    stored = RawPayload.objects.get()
    assert (stored.state, stored.attempts, stored.lease_token) == ("dead", 1, None)
    assert "deleted or changed the row of its own payload" in stored.error
    assert not ReportRow.objects.exists()
    assert payload.pk == stored.pk


def test_what_it_raises_after_that_is_its_failure(on_demo: Register) -> None:
    def handler(payload: RawPayload) -> None:
        payload.delete()
        raise ZeroDivisionError

    on_demo(handler)
    kept()
    (payload,) = claimed()
    assert not handle(payload)
    stored = RawPayload.objects.get()
    assert (stored.state, stored.attempts) == ("retrying", 1)
    assert "ZeroDivisionError" in stored.error


@pytest.mark.parametrize("atomic_done", [True, False])
def test_a_deletion_that_was_committed_is_said(
    on_demo: Register, caplog: pytest.LogCaptureFixture, atomic_done: bool
) -> None:
    def handler(payload: RawPayload) -> None:
        payload.delete()
        if atomic_done:
            with payload.done():
                effect()

    on_demo(handler, atomic=False)
    kept()
    (payload,) = claimed()
    assert not handle(payload)
    assert states() == []
    assert [record.levelname for record in caplog.records if "its row was deleted" in record.message] == ["ERROR"]
    assert not ReportRow.objects.exists()


def test_one_that_looks_at_its_row_again_gets_no_other_workers_claim(on_demo: Register) -> None:
    """After its lease the row has the token of another worker, for whose effects it must make room."""

    def handler(payload: RawPayload) -> None:
        payload.refresh_from_db()
        with payload.done():
            effect()

    on_demo(handler, atomic=False)
    kept()
    (payload,) = claimed()
    theirs = uuid.uuid4()
    RawPayload.objects.update(lease_token=theirs)
    assert not handle(payload)
    assert (states(), RawPayload.objects.get().lease_token) == (["processing"], theirs)
    assert not ReportRow.objects.exists()


def test_a_test_of_the_handler_is_told(on_demo: Register) -> None:
    on_demo(RawPayload.delete)
    with pytest.raises(GiveUp, match="deleted or changed the row"):
        handle_bytes("demo", b"x")
