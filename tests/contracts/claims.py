"""Claims and transitions: the same on each database."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from notifications.models import RawPayload, State
from notifications.models.claims import LeaseLost
from notifications.process_raw.release_claims import release_claims
from notifications.utils.failure_fingerprint import Failure
from tests.support.payloads import claim, claimed, expire, kept, make_due, release_expired, states


class ClaimsCases:
    def test_a_batch_is_the_oldest_in_order(self) -> None:
        kept_ones = [kept(b"%d" % number) for number in range(5)]
        assert claimed(3) == kept_ones[:3]
        assert claimed(3) == kept_ones[3:]
        assert claimed(3) == []

    def test_what_is_due_first_goes_first(self) -> None:
        late, early = kept(b"late"), kept(b"early")
        RawPayload.objects.filter(pk=early.pk).update(next_attempt_at=timezone.now() - timedelta(hours=1))
        assert claimed(1) == [early]
        assert claimed(1) == [late]

    def test_a_claim_has_a_token_and_a_lease(self) -> None:
        kept()
        before, token = timezone.now(), uuid.uuid4()
        (payload,) = claimed(token=token, lease=30)
        assert (payload.state, payload.lease_token, payload.attempts) == ("processing", token, 0)
        assert payload.lease_until is not None
        assert timedelta(seconds=30) <= payload.lease_until - before < timedelta(seconds=60)

    def test_what_is_not_due_is_left(self) -> None:
        kept(not_before=timezone.now() + timedelta(minutes=1))
        assert claim().payloads == []

    def test_only_the_given_sources(self) -> None:
        kept(source="welcome")
        photo = kept(source="photo")
        assert claimed(sources=["photo", "demo"]) == [photo]

    @pytest.mark.parametrize("state", [state for state in State if state != State.RECEIVED])
    def test_only_the_given_state(self, state: State) -> None:
        payload = kept()
        RawPayload.objects.filter(pk=payload.pk).update(state=state)
        assert claim(state=State.RECEIVED).payloads == []

    @pytest.mark.parametrize("most", [1, 10, 25, 1 << 30])
    def test_bodies_are_loaded_a_few_at_a_time(self, most: int) -> None:
        bodies = [b"%d" % number * 10 for number in range(7)]
        for body in bodies:
            kept(body)
        loaded = RawPayload.objects.load(claim(), max_bytes=most)
        assert [payload.body for payload in loaded] == bodies

    def test_what_was_lost_meanwhile_is_not_loaded(self) -> None:
        first, second = kept(), kept()
        ours = RawPayload.objects.load(claim(), max_bytes=1)
        assert next(ours) == first
        expire()
        release_expired()
        make_due()
        theirs = claimed(state=State.RETRYING)
        assert second in theirs
        assert list(ours) == []


class TransitionsCases:
    def test_finish(self) -> None:
        kept()
        (payload,) = claimed()
        payload.attempts = 1
        with payload.done():
            pass
        stored = RawPayload.objects.get()
        assert (stored.state, stored.attempts, stored.error) == ("done", 1, "")
        assert (stored.lease_until, stored.lease_token, stored.next_attempt_at) == (None, None, None)
        assert stored.done_at is not None

    @pytest.mark.parametrize("text", ["plain", "NUL \0", "surrogate \ud800", "\U0001f4a3"])
    def test_fail_and_be_tried_again(self, text: str) -> None:
        kept()
        (payload,) = claimed()
        at = timezone.now() + timedelta(seconds=9)
        RawPayload.objects.fail(payload, Failure.without_place(text), retry_at=at)
        stored = RawPayload.objects.get()
        assert (stored.state, stored.next_attempt_at, stored.lease_token) == ("retrying", at, None)
        assert stored.error == text.replace("\0", "\ufffd").replace("\ud800", "?")

    def test_fail_for_good(self) -> None:
        kept()
        (payload,) = claimed()
        RawPayload.objects.fail(payload, Failure.without_place("no"), retry_at=None)
        assert states() == ["dead"]
        assert RawPayload.objects.next_due() is None

    def test_a_lost_lease_takes_the_effects_back(self) -> None:
        kept()
        (payload,) = claimed()
        expire()
        release_expired()
        with pytest.raises(LeaseLost), payload.done():
            kept(b"an effect", source="welcome")
        assert states() == ["retrying"]

    def test_a_lost_lease_cannot_fail(self) -> None:
        kept()
        (payload,) = claimed()
        expire()
        release_expired()
        make_due()
        (theirs,) = claimed(state=State.RETRYING)
        with pytest.raises(LeaseLost):
            RawPayload.objects.fail(payload, Failure.without_place("mine"), retry_at=None)
        assert (states(), RawPayload.objects.get().lease_token) == (["processing"], theirs.lease_token)

    def test_done_twice_is_refused(self) -> None:
        kept()
        (payload,) = claimed()
        with payload.done():
            pass
        with pytest.raises(LeaseLost), payload.done():
            kept(b"twice", source="welcome")
        assert states() == ["done"]

    def test_give_back_leaves_what_was_handled_and_what_others_have(self) -> None:
        for _ in range(3):
            kept()
        ours, theirs = claimed(2), claimed(1)
        with ours[0].done():
            pass
        assert ours[1].lease_token
        assert theirs[0].lease_token
        RawPayload.objects.give_back(ours[1].lease_token)
        assert states() == ["done", "received", "processing"]
        assert claimed() == [ours[1]]

    def test_what_failed_before_is_given_back_as_such(self) -> None:
        kept()
        (payload,) = claimed()
        payload.attempts = 1
        RawPayload.objects.fail(payload, Failure.without_place("no"), retry_at=timezone.now())
        (again,) = claimed(state=State.RETRYING)
        assert again.lease_token
        RawPayload.objects.give_back(again.lease_token)
        assert (states(), RawPayload.objects.get().attempts) == (["retrying"], 1)

    def test_a_claim_has_one_lease_that_of_its_first(self) -> None:
        sources = ["demo", "welcome", "photo", "demo", "gone"]
        ours = [kept(source=source).pk if source != "gone" else kept().pk for source in sources]
        RawPayload.objects.filter(pk=ours[4]).update(source="gone")
        leases = {"demo": 30.0, "welcome": 3600.0, "photo": 3600.0}
        batches = [claim(lease=60.0, leases=leases) for _ in range(4)]
        assert [([pk for pk, _ in batch.payloads], batch.lease) for batch in batches] == [
            ([ours[0], ours[3]], 30.0),
            ([ours[1], ours[2]], 3600.0),
            ([ours[4]], 60.0),
            ([], 60.0),
        ]
        for batch in batches[:3]:
            for pk, _ in batch.payloads:
                payload = RawPayload.objects.get(pk=pk)
                assert payload.lease_until is not None
                assert payload.lease_until == payload.next_attempt_at
                left = (payload.lease_until - timezone.now()).total_seconds()
                assert batch.lease - 20 < left <= batch.lease

    def test_renew(self) -> None:
        kept()
        (payload,) = claimed(lease=1)
        assert payload.lease_token
        assert payload.lease_until
        assert RawPayload.objects.renew(payload.lease_token, 100)
        renewed = RawPayload.objects.get()
        assert renewed.lease_until is not None
        assert renewed.lease_until > payload.lease_until
        assert renewed.lease_until == renewed.next_attempt_at
        with payload.done():
            pass
        assert not RawPayload.objects.renew(payload.lease_token, 100)
        assert not RawPayload.objects.renew(uuid.uuid4(), 100)


class ExpiredLeasesCases:
    def test_only_the_first_of_a_batch_counts_an_attempt(self) -> None:
        for _ in range(4):
            kept()
        batch = claimed()
        with batch[0].done():
            pass
        expire()
        assert release_expired() == 3
        assert states() == ["done", "retrying", "retrying", "retrying"]
        rows = list(RawPayload.objects.order_by("pk").values_list("attempts", "error", "lease_token"))[1:]
        assert [attempts for attempts, _, _ in rows] == [1, 0, 0]
        assert [bool(error) for _, error, _ in rows] == [True, False, False]
        assert {token for _, _, token in rows} == {None}

    def test_the_first_waits_and_the_others_do_not(self) -> None:
        first, second = kept(), kept()
        claim()
        expire()
        release_expired()
        assert claimed(state=State.RETRYING) == [second]
        make_due()
        assert claimed(state=State.RETRYING) == [first]

    def test_dead_after_as_many_attempts_as_the_source_has(self, settings: object) -> None:
        settings.NOTIFICATIONS_SOURCES = {"demo": {"max_attempts": 3}}  # type: ignore[attr-defined]  # pytest-django's
        kept()
        for attempt in (1, 2, 3):
            assert claim(state=State.RECEIVED if attempt == 1 else State.RETRYING).payloads
            expire()
            assert release_expired() == 1
            assert RawPayload.objects.get().attempts == attempt
            make_due()
        assert (states(), RawPayload.objects.next_due()) == (["dead"], None)
        assert "worker died" in RawPayload.objects.get().error

    def test_a_lease_that_runs_is_left(self) -> None:
        kept()
        claim(lease=60)
        assert release_expired() == 0
        assert states() == ["processing"]

    def test_batches_are_judged_each_by_itself(self) -> None:
        for _ in range(4):
            kept()
        claim(2)
        claim(2)
        expire()
        assert release_expired() == 4
        assert list(RawPayload.objects.order_by("pk").values_list("attempts", flat=True)) == [1, 0, 1, 0]

    def test_a_dead_workers_claims_need_not_expire(self) -> None:
        kept()
        token = uuid.uuid4()
        claim(token=token)
        assert release_claims(uuid.uuid4()) == 0
        assert release_claims(token) == 1
        assert states() == ["retrying"]


class NextDueCases:
    def test_nothing(self) -> None:
        assert RawPayload.objects.next_due() is None

    def test_the_earliest_of_what_waits(self) -> None:
        hour = timezone.now() + timedelta(hours=1)
        kept(not_before=hour + timedelta(hours=1))
        kept(not_before=hour, source="photo")
        assert RawPayload.objects.next_due() == hour
        assert RawPayload.objects.next_due(["demo"]) == hour + timedelta(hours=1)
        assert RawPayload.objects.next_due(["welcome"]) is None

    def test_what_is_claimed_does_not_count(self) -> None:
        kept()
        claim()
        assert RawPayload.objects.next_due() is None


class PayloadCases(ClaimsCases, TransitionsCases, ExpiredLeasesCases, NextDueCases):
    """All of them."""
