"""All that is about one person: found however it was written, and erased wherever it waits."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from notifications.bodies import storage
from notifications.models import Attempt, FailureGroup, RawPayload, State
from notifications.models.attempts import Outcome
from notifications.operations import erase
from notifications.operations.erase import Search
from notifications.operations.search_text import pattern_of
from notifications.process_raw.chores.move_large_bodies import move
from notifications.store.new_payload import Record, digest_of
from notifications.store.spool import DAMAGED, spool
from tests.support.payloads import kept

NAME = "Zoë Müller"


def search(text: str = NAME, **options: Any) -> Search:
    now = timezone.now()
    return Search(pattern_of(text), now - timedelta(days=1), now + timedelta(days=1), **options)


def found_by(looking: Search) -> list[erase.Found]:
    return [found for some in looking.payloads() for found in some]


class TestPattern:
    @pytest.mark.parametrize(
        "data",
        [
            NAME.encode(),
            b"zo\xc3\xab m\xc3\xbcLLER",
            json.dumps({"name": NAME}).encode(),
            json.dumps(json.dumps({"name": NAME})).encode(),
            json.dumps({"name": NAME}).replace("u00eb", "u00EB").encode(),
            urlencode({"name": NAME}).encode(),
            quote(NAME).encode(),
            quote(NAME).lower().encode(),
            quote_plus(json.dumps({"name": NAME})).encode(),
            b"Zoe\xcc\x88 Mu\xcc\x88ller",
            b"%5A%6f%c3%ab+M\\u00fcller",
        ],
    )
    def test_each_way_to_write_it(self, data: bytes) -> None:
        assert pattern_of(NAME).search(b"xx" + data + b"yy")

    @pytest.mark.parametrize("data", [b"Zoe Muller", b"", b"Zo\xeb M\xfcller", NAME.encode("utf-16")])
    def test_others_are_others(self, data: bytes) -> None:
        assert not pattern_of(NAME).search(data)

    @pytest.mark.parametrize("text", ["a@example.com", 'O"Neill/\\x', ".*(a+)+$", "\U0001f600 smile", "50%+1"])
    def test_signs_are_signs(self, text: str) -> None:
        assert not pattern_of(text).search(b"something else entirely")
        for data in (text, json.dumps(text), quote(text, safe=""), quote_plus(text), text.replace("/", "\\/")):
            assert pattern_of(text).search(data.encode())

    @given(st.text(st.characters(codec="utf-8"), min_size=3, max_size=20).filter(lambda text: len(text.strip()) > 2))
    def test_any_text_is_found_in_each_form(self, text: str) -> None:
        pattern = pattern_of(text)
        text = text.strip()
        for data in (
            text,
            json.dumps(text),
            json.dumps(text, ensure_ascii=False),
            quote(text, safe=""),
            quote_plus(text),
        ):
            assert pattern.search(data.encode())

    @pytest.mark.parametrize("text", ["", "  ", "ab", " ab ", "abc\ud800"])
    def test_what_is_no_text(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"text|characters"):
            pattern_of(text)


@pytest.mark.usefixtures("database")
class TestPayloads:
    def test_each_part_is_looked_at(self) -> None:
        texts = {
            "path": quote(NAME),
            "query": urlencode({"q": NAME}),
            "headers_json": json.dumps({"x-name": NAME}),
            "idempotency_key": NAME,
            "error": f"KeyError: {NAME!r}",
            "content_type": NAME,
            "remote_addr": NAME,
        }
        expected = {kept(NAME.encode()).receipt: ("body",)}
        for column, value in texts.items():
            payload = kept(b"\xff\x00")
            RawPayload.objects.filter(pk=payload.pk).update(**{column: value})
            expected[payload.receipt] = (column.removesuffix("_json"),)
        kept(b"somebody else")
        looking = search()
        assert {found.receipt: found.parts for found in found_by(looking)} == expected
        assert (looking.seen, looking.unread) == (9, 0)

    def test_only_in_the_time_and_of_the_source(self) -> None:
        inside, old, other = kept(NAME.encode()), kept(NAME.encode()), kept(NAME.encode(), "photo")
        RawPayload.objects.filter(pk=old.pk).update(received_at=timezone.now() - timedelta(days=2))
        assert {found.receipt for found in found_by(search())} == {inside.receipt, other.receipt}
        assert [found.receipt for found in found_by(search(source="photo"))] == [other.receipt]

    def test_they_are_erased_in_any_state_but_that_of_a_worker(self) -> None:
        payloads = {state: kept(NAME.encode()) for state in State}
        for state, payload in payloads.items():
            RawPayload.objects.filter(pk=payload.pk).update(state=state)
        other = kept(b"somebody else")
        assert sum(erase.erase(found_by(search()))) == len(State) - 1
        assert list(RawPayload.objects.order_by("pk")) == [payloads[State.PROCESSING], other]

    def test_large_bodies_are_read_in_the_storage_and_leave_it(self) -> None:
        payload = kept(b"x" * storage.LARGE + NAME.encode())
        move(payload.pk)
        payload.refresh_from_db()
        found = found_by(search())
        assert [each.receipt for each in found] == [payload.receipt]
        assert sum(erase.erase(found)) == 1
        assert not storage.storage().exists(payload.stored_as)

    def test_what_cannot_be_read_is_said(self) -> None:
        payload = kept(NAME.encode())
        RawPayload.objects.filter(pk=payload.pk).update(inline_body=None, stored_as="ab/gone")
        looking = search()
        assert found_by(looking) == []
        assert (looking.seen, looking.unread) == (1, 1)
        assert "ab/gone" in looking.problem

    def test_titles_of_failures_lose_their_message(self) -> None:
        now = timezone.now()
        for number, title in enumerate([f"KeyError: {NAME!r}", "KeyError: 'price'"]):
            FailureGroup.objects.create(source="a", fingerprint=str(number), title=title, first_at=now, last_at=now)
        assert erase.blank(search().groups()) == 1
        assert list(FailureGroup.objects.order_by("pk").values_list("title", flat=True)) == [
            "KeyError",
            "KeyError: 'price'",
        ]


@pytest.mark.django_db
@pytest.mark.usefixtures("state_dir")
@pytest.mark.parametrize("column", ["traceback", "log"])
def test_a_text_that_only_an_attempt_has(column: str) -> None:
    payload, other = kept(b"x"), kept(b"y")
    for pk, text in ((payload.pk, f"KeyError: {NAME}"), (other.pk, "KeyError")):
        Attempt.objects.create(payload_id=pk, number=1, outcome=Outcome.FAILED, **{column: text})
    (found,) = found_by(search())
    assert (found.receipt, found.parts) == (payload.receipt, ("attempts",))
    assert list(erase.erase([found])) == [1]
    assert Attempt.objects.get().payload_id == other.pk


@pytest.mark.django_db
def test_a_group_whose_last_traceback_has_it() -> None:
    now = timezone.now()
    group = FailureGroup.objects.create(source="demo", fingerprint="a", first_at=now, last_at=now, traceback=NAME)
    FailureGroup.objects.create(source="demo", fingerprint="b", first_at=now, last_at=now)
    assert list(search().groups()) == [group]


def spooled(body: bytes, *, source: str = "demo", days: float = 0) -> Path:
    came = datetime.now(UTC) - timedelta(days=days)
    record = Record(uuid.uuid4(), source, body, digest_of(body), came, came)
    spool().write(record)
    return spool().folder / record.receipt.hex


@pytest.mark.usefixtures("database")
class TestSpool:
    def test_files_are_found_and_erased(self) -> None:
        mine, damaged = spooled(NAME.encode()), spooled(NAME.encode())
        damaged = damaged.rename(damaged.with_name(f"{damaged.name}.1a2b3c4d{DAMAGED}"))
        damaged.write_bytes(b"half of " + NAME.encode())
        others = [spooled(b"somebody else"), spooled(NAME.encode(), days=2), spooled(NAME.encode(), source="photo")]
        waiting = search(source="demo").spooled()
        assert {path for path, _ in waiting} == {mine, damaged}
        assert erase.erase_spooled(waiting) == 2
        assert sorted(spool().waiting()) == sorted(others)

    def test_what_was_imported_since_the_search_is_erased_all_the_same(self) -> None:
        from notifications.store.spool_import import import_spool

        spooled(NAME.encode())
        waiting = search().spooled()
        assert import_spool() == 1
        assert RawPayload.objects.count() == 1
        assert erase.erase_spooled(waiting) == 1
        assert not RawPayload.objects.exists()

    def test_there_may_be_no_spool(self) -> None:
        assert search().spooled() == []


def test_a_pattern_does_not_take_ages_over_hostile_bytes() -> None:
    # Each character has its own first bytes: nothing to go back for.
    assert not pattern_of(NAME).search(b"Zo\\\\\\\\" * 200_000)
    assert isinstance(pattern_of(NAME), re.Pattern)
