"""The life of payloads on SQLite, against a model; test_payload_machine_postgres.py lets them live there."""

from typing import Any

import pytest

from notifications import sql
from notifications.models.claims import LeaseLost, RawPayloadQuerySet
from notifications.models.moves import PayloadMoves
from notifications.raw.spool import Spool
from tests.support.payload_machine import run_machine

pytestmark = pytest.mark.usefixtures("sqlite_file")


def test_payloads_live_as_the_model_says() -> None:
    run_machine(lives=30)


#: Bugs to find, each as a piece of SQL and what would be there instead.
WRONG_SQL = {
    "it finishes under a lost lease": ("id = ? AND lease_token = ?", "id = ? AND (lease_token = ? OR 1)"),
    "it gives back what others have": ("IS NOT NULL AND lease_token = ?", "IS NOT NULL AND (lease_token = ? OR 1)"),
    "it claims what is not due": ("next_attempt_at <= ?", "(next_attempt_at <= ? OR 1)"),
    "it claims what others have": ("WHERE state = ?", "WHERE state IN (?, 'processing')"),
    "it claims for other sources": ("AND source IN (?)", "AND ? != ''"),
    "what came last goes first": ("ORDER BY next_attempt_at, id", "ORDER BY id DESC"),
    "a success keeps its failure": (", failure_id = NULL", ""),
    "an attempt is not counted": ("attempts = ?", "attempts = attempts + (? < 0)"),
}


@pytest.mark.parametrize(("right", "wrong"), WRONG_SQL.values(), ids=WRONG_SQL)
def test_it_finds_wrong_sql(right: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    translate, met = sql._with_question_marks, []

    def translate_wrongly(statement: str) -> str:
        translated = translate(statement)
        if right in translated:
            met.append(translated)
        return translated.replace(right, wrong)

    monkeypatch.setattr(sql, "_with_question_marks", translate_wrongly)
    with pytest.raises((AssertionError, LeaseLost)):
        run_machine(lives=60, shrink=False)
    assert met, f"no statement has {right!r} any more: write the bug anew"


def _everything(rows: Any, states: list[str]) -> Any:
    return rows.order_by()


def _never(*_: Any, **__: Any) -> None:
    pass


#: Bugs to find, each as a function and what it would be instead.
WRONG_CODE = {
    "operators move what a worker has": (PayloadMoves, "_not_claimed", _everything),
    "a lost lease goes unnoticed": (RawPayloadQuerySet, "_change", _never),
    "the spool is never emptied": (Spool, "remove", _never),
}


@pytest.mark.parametrize(("owner", "name", "wrong"), WRONG_CODE.values(), ids=WRONG_CODE)
def test_it_finds_wrong_code(owner: Any, name: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, name, wrong)
    with pytest.raises((AssertionError, LeaseLost)):
        run_machine(lives=60, shrink=False)
