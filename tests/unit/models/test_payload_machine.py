"""The life of payloads on each database, against a model that bugs do not fit."""

from contextlib import suppress
from typing import Any

import pytest

from notifications.database import fast_sql
from notifications.models import RawPayload, State, operator_moves
from notifications.models.claims import LeaseLost, RawPayloadQuerySet
from notifications.store.spool import Spool
from tests.contracts.payload_machine import run_machine


@pytest.mark.usefixtures("database")
def test_payloads_live_as_the_model_says() -> None:
    run_machine(lives=10)


@pytest.mark.slow
@pytest.mark.release
@pytest.mark.usefixtures("database")
def test_longer_too() -> None:
    run_machine(lives=30)


#: Bugs to find, each as a piece of SQL and what would be there instead.
WRONG_SQL = {
    "it finishes under a lost lease": ("id = ? AND lease_token = ?", "id = ? AND (lease_token = ? OR 1)"),
    "it gives back what others have": ("IS NOT NULL AND lease_token = ?", "IS NOT NULL AND (lease_token = ? OR 1)"),
    "it claims what is not due": ("next_attempt_at <= ?", "(next_attempt_at <= ? OR 1)"),
    "it claims what others have": ("WHERE state = ?", "WHERE state IN (?, 'processing')"),
    "it claims for other sources": ("AND source IN (?)", "AND ? != ''"),
    "what came last goes first": ("ORDER BY next_attempt_at, id", "ORDER BY id DESC"),
    "a success keeps its failure": ("failure_id = ?", "failure_id = coalesce(?, failure_id)"),
    "an attempt is not counted": ("attempts = ?", "attempts = attempts + (? < 0)"),
}


@pytest.mark.slow
@pytest.mark.release
@pytest.mark.usefixtures("sqlite_file")
@pytest.mark.parametrize(("right", "wrong"), WRONG_SQL.values(), ids=WRONG_SQL)
def test_it_finds_wrong_sql(right: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    translate, met = fast_sql.with_question_marks, []

    def translate_wrongly(statement: str) -> str:
        translated = translate(statement)
        if right in translated:
            met.append(translated)
        return translated.replace(right, wrong)

    monkeypatch.setattr(fast_sql, "with_question_marks", translate_wrongly)
    with pytest.raises((AssertionError, LeaseLost)):
        run_machine(lives=300, shrink=False)
    assert met, f"no statement has {right!r} any more: write the bug anew"


def _never(*_: Any, **__: Any) -> None:
    pass


def _finish_unnoticed(rows: RawPayloadQuerySet, payload: RawPayload, finish: Any = RawPayloadQuerySet.finish) -> None:
    with suppress(LeaseLost):
        finish(rows, payload)


#: Bugs to find, each as a name and what would be there instead.
WRONG_CODE = {
    "operators move what a worker has": (operator_moves, "DUE", list(State)),
    "a lost lease goes unnoticed": (RawPayloadQuerySet, "finish", _finish_unnoticed),
    "the spool is never emptied": (Spool, "remove", _never),
}


@pytest.mark.slow
@pytest.mark.release
@pytest.mark.usefixtures("sqlite_file")
@pytest.mark.parametrize(("owner", "name", "wrong"), WRONG_CODE.values(), ids=WRONG_CODE)
def test_it_finds_wrong_code(owner: Any, name: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, name, wrong)
    with pytest.raises((AssertionError, LeaseLost)):
        run_machine(lives=300, shrink=False)
