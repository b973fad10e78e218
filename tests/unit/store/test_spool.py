import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.http.idempotency import receipt_for
from notifications.store.new_payload import TIMES, Record, digest_of, dump_headers, from_bytes, to_bytes
from notifications.store.spool import Spool, SpoolFull, Waiting, spool
from notifications.store.spool_quota import DIGITS, SpoolBytes
from notifications.utils.durable_files import ABANDONED
from tests.support.journals import exit_code, in_child
from tests.support.threads import in_threads

AT = datetime(2030, 1, 1, tzinfo=UTC)
texts = st.text(st.characters(exclude_categories=["Cs"]))


def record(body: bytes = b"x", key: str | None = None) -> Record:
    return Record(
        receipt=receipt_for("s", key),
        source="s",
        body=body,
        digest=digest_of(body),
        received_at=AT,
        next_attempt_at=AT,
    )


@pytest.fixture
def ours(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 1 << 20)


@given(st.binary(), texts, texts, st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.timezones()))
def test_a_record_survives_its_form_in_the_spool(body: bytes, text: str, key: str, at: datetime) -> None:
    before = record(body)._replace(content_type=text, query=text, idempotency_key=key, received_at=at)
    # Times of two zones differ if one of them is ambiguous (PEP 495).
    assert from_bytes(to_bytes(before)) == before._replace(received_at=at.astimezone(UTC))


@given(st.binary() | st.binary().map(lambda body: to_bytes(record(body))[:-1]) | st.just(b"[]\n") | st.just(b"{}\n"))
def test_what_is_damaged_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  of any kind
        from_bytes(data + b"garbage")


ODD = [b"[" * 100_000, b'{"received_at": 1}', b'{"received_at": "0001-01-01T00:00:00+23:00"}', b"7", b"[]", b"{}"]


@pytest.mark.parametrize("head", ODD)
def test_an_odd_first_line_is_a_value_error(head: bytes) -> None:
    with pytest.raises(ValueError, match="the head is invalid"):
        from_bytes(head + b"\n")


@given(st.dictionaries(st.text(), st.text()))
def test_headers_of_any_text_can_be_stored(headers: dict[str, str]) -> None:
    dump_headers(headers).encode("utf-8")


def test_gives_back_what_was_written_oldest_first(ours: Spool) -> None:
    records = [record(b"%d" % number) for number in range(5)]
    for number, one in enumerate(records):
        assert ours.write(one)
        os.utime(ours.folder / one.receipt.hex, (number, number))
    assert [ours.read(path) for path in ours.waiting()] == records


def test_only_its_owner_may_look_into_it(ours: Spool) -> None:
    ours.write(record())
    assert ours.folder.stat().st_mode & 0o777 == 0o700
    assert ours.waiting()[0].stat().st_mode & 0o777 == 0o600


def test_nothing_waits_where_there_is_no_folder(ours: Spool) -> None:
    assert ours.waiting() == []


def test_a_repeated_record_is_written_once(ours: Spool) -> None:
    assert ours.write(record(key="1"))
    assert not ours.write(record(key="1"))
    with pytest.raises(FileExistsError):
        ours.write(record(b"other", key="1"))
    assert len(list(ours.folder.iterdir())) == 1


def test_many_writers_of_one_key(ours: Spool) -> None:
    assert sorted(in_threads(8, lambda _: ours.write(record(key="1")))) == [False] * 7 + [True]
    assert len(list(ours.folder.iterdir())) == 1


def test_a_damaged_file_is_set_aside(ours: Spool, caplog: pytest.LogCaptureFixture) -> None:
    one = record(b"x" * 1000)
    ours.write(one)
    path = ours.waiting()[0]
    path.write_bytes(path.read_bytes()[:-1])
    assert ours.read(path) is None
    assert ours.waiting() == []
    (aside,) = ours.folder.glob("*.damaged")
    assert aside.stat().st_size > 999
    assert str(aside) in caplog.text


def test_a_damaged_file_does_not_stand_in_the_way_of_its_repetition(ours: Spool) -> None:
    one = record(key="1")
    ours.write(one)
    (ours.folder / one.receipt.hex).write_bytes(b"garbage")
    assert ours.write(one)
    assert ours.read(ours.waiting()[0]) == one


def test_one_that_was_just_imported_is_written_again(ours: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    one = record(key="1")
    ours.write(one)
    path = ours.folder / one.receipt.hex
    read = Path.read_bytes

    def just_imported(self: Path) -> bytes:
        path.unlink(missing_ok=True)
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", just_imported)
    assert ours.write(one)
    assert ours.waiting() == [path]


def test_a_file_that_is_not_ours_to_read_is_set_aside(ours: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError

    ours.write(record())
    with monkeypatch.context() as patch:  # root may read all
        patch.setattr(Path, "read_bytes", refuse)
        assert ours.read(ours.waiting()[0]) is None
    assert len(list(ours.folder.glob("*.unreadable"))) == 1


def test_what_a_killed_writer_left_is_ignored_and_goes_away(ours: Spool) -> None:
    ours.write(record())
    left = ours.folder / f"{uuid.uuid4().hex}.{uuid.uuid4().hex}.tmp"
    left.write_bytes(b"half")
    assert len(ours.waiting()) == 1
    assert left.exists(), "its writer may still write"
    os.utime(left, (0, time.time() - ABANDONED - 60))
    assert len(ours.waiting()) == 1
    assert not left.exists()


@pytest.mark.parametrize("name", ["README", ".hidden", "lost+found", "A" * 32])
def test_what_is_no_receipt_is_left_alone(ours: Spool, name: str) -> None:
    ours.write(record())
    (ours.folder / name).mkdir()
    assert len(ours.waiting()) == 1


def test_is_bounded(tmp_path: Path) -> None:
    small = Spool(tmp_path, 1000)
    with pytest.raises(SpoolFull):
        small.write(record(b"x" * 1000))
    assert list(tmp_path.iterdir()) == []
    assert small.write(record(b"x" * 100))


def test_what_goes_makes_room(tmp_path: Path) -> None:
    size = len(to_bytes(record()))
    small = Spool(tmp_path / "spool", 3 * size)
    for _ in range(5):
        for _ in range(3):
            small.write(record())
        with pytest.raises(SpoolFull):
            small.write(record())
        small.remove(small.waiting())
    assert small.look().bytes == 0


def test_a_repetition_takes_no_room(tmp_path: Path) -> None:
    small = Spool(tmp_path / "spool", int(2.5 * len(to_bytes(record(key="1")))))
    for _ in range(5):
        small.write(record(key="1"))
    small.write(record())


def counted(spool: Spool) -> int:
    """The bytes that all processes of the machine take the spool to hold."""
    return int(spool.folder.with_name("spool.bytes").read_bytes()[:DIGITS])


def test_the_quota_is_one_for_all_processes(tmp_path: Path) -> None:
    size = len(to_bytes(record(b"x" * 100)))
    here, there = (Spool(tmp_path / "spool", 20 * size) for _ in range(2))

    def fill() -> None:
        with suppress(SpoolFull):
            while True:
                there.write(record(b"x" * 100))

    children = [in_child(fill) for _ in range(3)]
    assert [exit_code(child) for child in children] == [0, 0, 0]
    assert here.look() == there.look()
    assert (here.look().files, here.look().bytes) == (20, 20 * size)


def elsewhere(spool: Spool) -> SpoolBytes:
    """The quota as another process has it."""
    return SpoolBytes(spool.folder.with_name("spool.bytes"), spool.folder, lambda: spool.look().bytes)


def test_what_a_killed_process_had_reserved_is_found_out(ours: Spool) -> None:
    ours.write(record())
    with elsewhere(ours).reserved(ours.max_bytes - ours.look().bytes, ours.max_bytes):
        pass  # and then it was killed
    assert ours.write(record())
    assert ours.write(record())


def test_what_is_reserved_during_a_count_is_in_its_result(ours: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.write(record(b"x"))
    look = ours.look

    def look_while_somebody_writes() -> Waiting:
        found = look()
        ours.write(record(b"y" * 1000))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(ours, "look", look_while_somebody_writes)
        ours.count_again()
    assert counted(ours) == ours.look().bytes


def test_what_is_reserved_and_not_yet_written_is_in_the_number(ours: Spool) -> None:
    ours.write(record(b"x"))
    written = counted(ours)
    with elsewhere(ours).reserved(1000, ours.max_bytes):
        ours.count_again()
        assert counted(ours) == written + 1000


def test_what_goes_during_a_count_is_taken_off_once(ours: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        ours.write(record(b"x"))
    look = ours.look

    def look_while_somebody_removes() -> Waiting:
        ours.remove(ours.waiting(1))
        return look()

    with monkeypatch.context() as patch:
        patch.setattr(ours, "look", look_while_somebody_removes)
        ours.count_again()
    assert counted(ours) == ours.look().bytes


@pytest.mark.parametrize("content", [b"", b"garbage", b"-5"])
def test_a_damaged_number_is_counted_anew(ours: Spool, content: bytes) -> None:
    ours.write(record())
    (number,) = ours.folder.parent.glob("spool.bytes")
    number.write_bytes(content)
    ours.write(record())
    assert counted(ours) == ours.look().bytes


def test_a_full_spool_is_not_counted_for_each_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Spool(tmp_path / "spool", 10)
    looked: list[int] = []
    look = Spool.look

    def counting(self: Spool) -> Waiting:
        looked.append(1)
        return look(self)

    monkeypatch.setattr(Spool, "look", counting)
    for _ in range(20):
        with pytest.raises(SpoolFull):
            small.write(record())
    assert 1 <= len(looked) < 10


#: As the release before has written it, to the letter.
BEFORE = (
    b'{"receipt": "0f558d57-5a01-5448-bc46-14b1cfe38baf", "source": "s", "digest":'
    b' "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "headers_json": "{}", "content_type": "",'
    b' "method": "POST", "path": "/in/s/", "query": "", "remote_addr": "192.0.2.1", "idempotency_key": "1",'
    b' "quarantined_for": "", "received_at": "2030-01-01T00:00:00+00:00",'
    b' "next_attempt_at": "2030-01-01T00:00:00+00:00"}\nx'
)


def before() -> Record:
    return record(key="1")._replace(method="POST", path="/in/s/", remote_addr="192.0.2.1", idempotency_key="1")


def as_the_release_before_reads(data: bytes) -> Record:
    head, _, body = data.partition(b"\n")
    try:
        fields = json.loads(head)
        fields |= {name: datetime.fromisoformat(fields[name]).astimezone(UTC) for name in TIMES}
        fields["receipt"] = uuid.UUID(fields["receipt"])
        read = Record(body=body, **fields)
    except (TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"the first line is none of ours: {error!r}") from error
    if digest_of(body) != read.digest:
        raise ValueError("the body is not the one that was written")
    return read


def flipped(data: bytes) -> Iterator[bytes]:
    """With each of its bits turned over, one at a time."""
    for bit in range(8 * len(data)):
        altered = bytearray(data)
        altered[bit // 8] ^= 1 << bit % 8
        yield bytes(altered)


class TestVersions:
    def test_one_of_the_release_before_is_read(self) -> None:
        assert as_the_release_before_reads(BEFORE) == before()
        assert from_bytes(BEFORE) == before()
        older = BEFORE.replace(b' "quarantined_for": "",', b"")
        assert from_bytes(older) == before()

    def test_the_release_before_keeps_what_it_cannot_read(self) -> None:
        """It sets aside, under a name that says so, what is a ValueError."""
        with pytest.raises(ValueError):  # noqa: PT011  of any kind
            as_the_release_before_reads(to_bytes(before()))

    def test_no_bit_of_a_file_changes_unnoticed(self, ours: Spool, caplog: pytest.LogCaptureFixture) -> None:
        one = before()._replace(
            body=b"a body\n\0\xff", digest=digest_of(b"a body\n\0\xff"), headers_json='{"a": "\u00e9"}'
        )
        ours.write(one)
        (path,) = ours.waiting()
        data = path.read_bytes()
        caplog.set_level("CRITICAL")
        for altered in flipped(data):
            path.write_bytes(altered)
            assert ours.read(path) is None
            (aside,) = ours.aside()
            assert aside.read_bytes() == altered
            aside.unlink()

    @pytest.mark.slow
    def test_of_the_release_before_no_bit_changes_the_receipt(
        self, ours: Spool, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("CRITICAL")
        ours.folder.mkdir(parents=True)
        path = ours.folder / before().receipt.hex
        for altered in flipped(BEFORE):
            path.write_bytes(altered)
            read = ours.read(path)
            assert read is None or read.receipt == before().receipt
            for aside in ours.aside():
                aside.unlink()

    def test_a_file_under_another_name_is_set_aside(self, ours: Spool) -> None:
        ours.write(record())
        (path,) = ours.waiting()
        other = path.rename(path.with_name(uuid.uuid4().hex))
        assert ours.read(other) is None
        assert {aside.name[:32] for aside in ours.aside()} == {other.name}


def test_quarantine_survives_the_form_in_the_spool() -> None:
    before = record()._replace(quarantined_for="no secret gives this signature")
    assert from_bytes(to_bytes(before)) == before


def test_looking_counts_all_there_is(ours: Spool) -> None:
    assert ours.look() == (0, None, 0, 0)
    ours.write(record())
    ours.write(record(b"other"))
    (ours.folder / f"{uuid.uuid4().hex}.1a2b3c4d.damaged").write_bytes(b"123")
    files, oldest, total, set_aside = ours.look()
    assert (files, oldest, set_aside) == (2, AT.timestamp(), 1)
    assert total == 3 + sum(path.stat().st_size for path in ours.waiting())


def test_is_in_the_state_directory(state_dir: Path) -> None:
    assert spool().folder == state_dir / "spool"
    assert spool() is spool()
