"""Signatures that are verified again after the secret was mended."""

import io
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from notifications import keep
from notifications.bodies import storage
from notifications.errors import KeyReused
from notifications.http.signatures import SCHEMES, sign
from notifications.models import RawPayload, State
from notifications.operations.quarantine import Verdict, handle_all_too, verify_again, verify_all
from notifications.process_raw.chores.move_large_bodies import move
from notifications.store.new_payload import Record, digest_of
from notifications.store.spool import spool
from notifications.store.spool_import import import_spool
from tests.support.payloads import claim, kept
from tests.support.threads import in_threads

pytestmark = pytest.mark.usefixtures("database")
#: Each scheme takes them.
RIGHT = "whsec_" + "c2VjcmV0" * 4
WRONG = "whsec_" + "d3JvbmdA" * 4
BODY = b'{"id": "evt_1"}'


@pytest.fixture(autouse=True)
def _sources(settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {
        scheme: {"http": True, "signature": scheme, "secrets": [RIGHT], "bad_signature": "quarantine"}
        for scheme in SCHEMES
    } | {"unsigned": {"http": True}}


def quarantined(
    scheme: str = "stripe", *, body: bytes = BODY, key: str = "", at: datetime | None = None, off: float = 0
) -> RawPayload:
    """One that came at `at`, signed with what is the right secret by now, `off` seconds earlier."""
    payload = kept(body, scheme if scheme in SCHEMES else "unsigned")
    came = at or timezone.now() - timedelta(days=3)
    headers = sign(scheme, body, RIGHT, came.timestamp() - off) if scheme in SCHEMES else {}
    RawPayload.objects.filter(pk=payload.pk).update(
        state=State.QUARANTINED,
        received_at=came,
        next_attempt_at=None,
        idempotency_key=key,
        error="no configured secret gives this signature",
        headers_json=json.dumps(headers),
    )
    return RawPayload.objects.get(pk=payload.pk)


def state_of(payload: RawPayload) -> str:
    payload.refresh_from_db()
    return payload.state


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_good_signature_is_let_in_however_long_ago_it_came(scheme: str) -> None:
    payload = quarantined(scheme)
    assert claim().payloads == []
    assert verify_again(payload) == Verdict.ADMITTED
    assert (state_of(payload), payload.error, payload.attempts) == (State.RECEIVED, "", 0)
    assert [pk for pk, _ in claim().payloads] == [payload.pk]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_bad_one_stays_with_the_new_reason(scheme: str, settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {scheme: {"http": True, "signature": scheme, "secrets": [""]}}
    payload = quarantined(scheme)
    assert verify_again(payload) == Verdict.BAD
    assert state_of(payload) == State.QUARANTINED
    assert "is empty" in payload.error
    settings.NOTIFICATIONS_SOURCES = {scheme: {"http": True, "signature": scheme, "secrets": [WRONG]}}
    assert verify_again(payload) == Verdict.BAD
    payload.refresh_from_db()
    assert payload.error == "no configured secret gives this signature"


def test_an_altered_body_stays() -> None:
    payload = quarantined()
    RawPayload.objects.filter(pk=payload.pk).update(inline_body=BODY + b" ")
    assert verify_all(RawPayload.objects.all()) == {Verdict.BAD: 1}


def test_what_was_too_old_when_it_came_stays() -> None:
    payload = quarantined(off=301)
    assert verify_again(payload) == Verdict.BAD
    payload.refresh_from_db()
    assert "differs by more than 300 s" in payload.error


def test_a_source_that_verifies_nothing_any_more_lets_nothing_in() -> None:
    payload = quarantined("unsigned")
    assert verify_again(payload) == Verdict.BAD
    assert state_of(payload) == State.QUARANTINED
    assert payload.error == "the source no longer verifies signatures"


def test_a_body_that_the_storage_has_lost_stays() -> None:
    payload = quarantined()
    RawPayload.objects.filter(pk=payload.pk).update(inline_body=None, stored_as="ab/gone")
    payload = RawPayload.objects.get(pk=payload.pk)
    assert verify_again(payload) == Verdict.BAD
    payload.refresh_from_db()
    assert "ab/gone" in payload.error


def test_a_large_body_is_verified_where_it_is() -> None:
    body = b"x" * (storage.LARGE + 1)
    payload = quarantined(body=body)
    move(payload.pk)
    assert RawPayload.objects.get(pk=payload.pk).inline_body is None
    assert verify_all(RawPayload.objects.all()) == {Verdict.ADMITTED: 1}


class TestKeys:
    def test_what_came_again_with_a_good_signature_is_not_handled_twice(self) -> None:
        payload = quarantined(key="evt_1")
        again = kept(BODY, "stripe", key="evt_1")
        assert verify_again(payload) == Verdict.DUPLICATE
        assert state_of(payload) == State.QUARANTINED
        assert str(again.receipt) in payload.error
        assert "the same body" in payload.error
        assert state_of(again) == State.RECEIVED

    def test_with_another_body_neither(self) -> None:
        payload = quarantined(key="evt_1")
        keep("stripe", b"other", key="evt_1")
        assert verify_again(payload) == Verdict.DUPLICATE
        payload.refresh_from_db()
        assert "another body" in payload.error

    def test_the_first_of_several_is_let_in(self) -> None:
        payloads = [quarantined(key="evt_1") for _ in range(3)] + [quarantined(key="evt_2"), quarantined()]
        assert verify_all(RawPayload.objects.all()) == {Verdict.ADMITTED: 3, Verdict.DUPLICATE: 2}
        states = ["received", "quarantined", "quarantined", "received", "received"]
        assert [state_of(payload) for payload in payloads] == states

    def test_one_that_was_handled_and_died_counts(self) -> None:
        first, second = quarantined(key="evt_1"), quarantined(key="evt_1")
        RawPayload.objects.filter(pk=first.pk).update(state=State.DEAD, attempts=16)
        assert verify_again(second) == Verdict.DUPLICATE

    def test_its_key_lets_nothing_else_in_once_it_is_let_in(self) -> None:
        payload = quarantined(key="evt_1")
        assert verify_again(payload) == Verdict.ADMITTED
        assert keep("stripe", BODY, key="evt_1") == RawPayload.objects.get().receipt
        with pytest.raises(KeyReused):
            keep("stripe", b"other", key="evt_1")

    def test_nothing_but_a_good_signature_gets_it_out(self) -> None:
        payload = quarantined("unsigned")
        assert RawPayload.objects.give_up("ada") == 0
        assert RawPayload.objects.process_again() == 0
        assert state_of(payload) == State.QUARANTINED

    def test_the_same_key_of_another_source_does_not(self) -> None:
        payload = quarantined(key="evt_1")
        keep("github", BODY, key="evt_1")
        assert verify_again(payload) == Verdict.ADMITTED


def test_what_is_not_quarantined_is_left() -> None:
    payload = quarantined()
    assert verify_again(payload) == Verdict.ADMITTED
    assert verify_again(payload) == Verdict.GONE
    RawPayload.objects.update(state=State.DONE, next_attempt_at=None)
    assert not verify_all(RawPayload.objects.all())
    assert state_of(payload) == State.DONE


class TestOtherBytes:
    """What came under a used key while the database could not be asked, of a source without signatures and with one."""

    @pytest.fixture(params=["unsigned", "stripe"])
    def second(self, request: Any) -> RawPayload:
        first = kept(b"first", request.param, key="1")
        record = Record(
            first.receipt, request.param, b"second", digest_of(b"second"), first.received_at, timezone.now()
        )
        spool().write(record._replace(idempotency_key="1"))
        import_spool()
        return RawPayload.objects.get(state=State.QUARANTINED)

    def test_no_signature_lets_them_out(self, second: RawPayload) -> None:
        reason = second.error
        assert verify_again(second) == Verdict.DUPLICATE
        assert verify_all(RawPayload.objects.all()) == {Verdict.DUPLICATE: 1}
        assert (state_of(second), second.error) == (State.QUARANTINED, reason)

    def test_somebody_who_wants_them_handled_does(self, second: RawPayload) -> None:
        receipt = second.receipt
        assert handle_all_too(RawPayload.objects.all()) == 1
        assert (state_of(second), second.receipt, second.error) == (State.RECEIVED, receipt, "")
        assert len(claim().payloads) == 2
        assert handle_all_too(RawPayload.objects.all()) == 0
        with pytest.raises(KeyReused):
            keep(second.source, b"second", key="1")

    def test_nothing_else_is_let_out_by_that(self, second: RawPayload) -> None:
        badly_signed = quarantined(key="1")
        assert handle_all_too(RawPayload.objects.all()) == 1
        assert state_of(badly_signed) == State.QUARANTINED

    @pytest.mark.parametrize("named", [False, True])
    def test_replay_raw_takes_those_that_are_named(self, second: RawPayload, named: bool) -> None:
        out = io.StringIO()
        receipts = [str(second.receipt)] if named else []
        call_command("replay_raw", *receipts, "--state", "quarantined", stdout=out)
        assert state_of(second) == (State.RECEIVED if named else State.QUARANTINED)
        assert ("1 payloads admitted" if named else "1 duplicates left there") in out.getvalue()


def test_operators_at_once_let_each_key_in_once() -> None:
    for number in range(20):
        quarantined(key=f"evt_{number % 5}")
    verdicts = in_threads(3, lambda _: verify_all(RawPayload.objects.all()))
    assert sum(found[Verdict.ADMITTED] for found in verdicts) == 5
    assert RawPayload.objects.filter(state=State.RECEIVED).count() == 5
