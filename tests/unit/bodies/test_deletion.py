"""Bodies in the storage whose rows go, or do not: none that is alive is deleted, none that is dead stays."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from notifications.bodies import deletion_notes, storage
from notifications.http.signatures import sign
from notifications.models import RawPayload, State
from notifications.operations import prune
from notifications.operations.quarantine import Verdict, verify_again
from notifications.process_raw.chores import move_large_bodies
from notifications.process_raw.chores.move_large_bodies import delete_noted, move
from tests.support.bodies import BODY, files, make_notes_due, move_all
from tests.support.payloads import kept

pytestmark = pytest.mark.usefixtures("sqlite_file")

SECRET = "whsec_" + "c2VjcmV0" * 4
STRIPE = {"http": True, "signature": "stripe", "secrets": [SECRET], "bad_signature": "quarantine"}


def prune_all() -> int:
    rows = [prune.row_of(*columns) for columns in RawPayload.objects.values_list(*prune.COLUMNS)]
    return prune.delete(rows, "state <> %s", [State.PROCESSING])


def test_a_prune_that_failed_leaves_the_body_of_a_payload_that_got_its_keys_receipt(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NOTIFICATIONS_SOURCES = {"stripe": STRIPE}
    payload, came = kept(BODY, "stripe"), timezone.now()
    RawPayload.objects.update(
        state=State.QUARANTINED,
        next_attempt_at=None,
        idempotency_key="evt_1",
        headers_json=json.dumps(sign("stripe", BODY, SECRET, came.timestamp())),
    )
    move_all()

    def fail(*_: object) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(prune, "fetch_all", fail)
        prune_all()
    assert verify_again(RawPayload.objects.get()) is Verdict.ADMITTED
    assert RawPayload.objects.get().receipt != payload.receipt
    make_notes_due()
    delete_noted()
    assert RawPayload.objects.get().body == BODY


def test_a_copy_that_a_killed_mover_left_goes_with_the_row(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = kept(BODY)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(move_large_bodies, "take_out_of_row", _killed)
        move(payload.pk)
    assert len(files(state_dir)) == 1
    assert prune_all() == 1
    assert files(state_dir) == []


def test_a_body_that_is_just_moved_is_not_deleted_by_a_note(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = kept(BODY)
    RawPayload.objects.update(state=State.PROCESSING)
    assert prune_all() == 0  # a worker has it
    name = storage.name_of(payload.receipt, payload.pk)
    deletion_notes.write([name])
    make_notes_due()

    def after_a_look(pk: int, stored_as: str) -> bool:
        delete_noted()
        return take_out(pk, stored_as)

    take_out = move_large_bodies.take_out_of_row
    monkeypatch.setattr(move_large_bodies, "take_out_of_row", after_a_look)
    move(payload.pk)
    assert RawPayload.objects.get().body == BODY


def test_names_are_of_ids_that_never_come_back() -> None:
    old = kept(BODY, key="1")
    RawPayload.objects.update(state=State.DONE, done_at=timezone.now() - timedelta(days=99), next_attempt_at=None)
    prune_all()
    new = kept(BODY, key="1")
    assert (new.receipt, new.pk != old.pk) == (old.receipt, True)


def _killed(*_: object) -> bool:
    raise KeyboardInterrupt
