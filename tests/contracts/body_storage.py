"""Large bodies: out of the row, into a folder, and back, byte for byte; the same on each database."""

import re
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.db import OperationalError, connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from notifications.bodies import deletion_notes
from notifications.bodies import storage as bodies
from notifications.bodies.folder_storage import FolderStorage
from notifications.bodies.storage import LARGE, BodyDamaged, StorageFailed
from notifications.models import RawPayload, State, row_bodies
from notifications.models.row_bodies import RowBodies
from notifications.process_raw.chores import chores, move_large_bodies
from notifications.process_raw.chores.move_large_bodies import BodyMover, delete_noted, move
from notifications.workers.housekeeping import Chore
from tests.support.bodies import (
    BODY,
    Compressing,
    Sizeless,
    Sloppy,
    SloppyAndSizeless,
    files,
    is_open_to_others,
    killed,
    make_notes_due,
    make_old,
    move_all,
    moved,
    stored,
    while_saving,
)
from tests.support.payloads import kept, make_due, states

Register = Callable[..., None]


@pytest.fixture
def use_storage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[type[FileSystemStorage]], Any]:
    """`use_storage(cls)` makes it the storage of bodies, and returns it."""

    def use(cls: type[FileSystemStorage]) -> FileSystemStorage:
        storage = cls(tmp_path / "other")
        monkeypatch.setattr(bodies, "storage", lambda: storage)
        return storage

    return use


@pytest.fixture
def no_folder(state_dir: Path) -> Path:
    """Something in the way of the folder of bodies, which holds up root too."""
    path = state_dir / "bodies"
    path.write_text("no folder")
    return path


def occupy(storage: FileSystemStorage, payload: RawPayload) -> None:
    """Somebody has taken the name that a body would have."""
    path = Path(storage.path(bodies.name_of(payload.receipt, payload.pk)))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"of somebody else")


def again(payload: RawPayload) -> RawPayload:
    return RawPayload.objects.get(pk=payload.pk)


class MovingCases:
    def test_what_is_larger_than_the_limit_leaves_its_row(self, state_dir: Path) -> None:
        small, large = kept(BODY[:LARGE]), kept(BODY)
        move_all()
        small, large = again(small), again(large)
        assert (small.inline_body, small.stored_as) == (BODY[:LARGE], "")
        assert (large.inline_body, large.stored_as) == (None, f"{large.receipt.hex[:2]}/{large.receipt.hex}-{large.pk}")
        assert (small.body, large.body, large.size) == (BODY[:LARGE], BODY, LARGE + 1)
        [file] = files(state_dir)
        assert file.read_bytes() == BODY
        assert not any(is_open_to_others(path) for path in [file, *file.parents[:2]])

    @pytest.mark.parametrize("state", State)
    def test_in_every_state(self, state: State) -> None:
        payload = kept(BODY)
        RawPayload.objects.update(state=state, next_attempt_at=None)
        move_all()
        assert again(payload).stored_as
        assert again(payload).state == state

    def test_process_raw_does_it(self, on_demo: Register) -> None:
        seen: list[bytes] = []
        on_demo(lambda payload: seen.append(payload.body))
        for _ in range(30):
            kept(BODY)
        call_command("process_raw", "--drain")
        assert seen == [BODY] * 30
        assert states() == ["done"] * 30
        assert not RawPayload.objects.filter(stored_as="").exists()

    def test_a_call_ends_soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(move_large_bodies, "STEP", 0.0)
        for _ in range(3):
            kept(BODY)
        mover = BodyMover()
        assert [mover() for _ in range(4)] == [0.0, 0.0, 0.0, move_large_bodies.IDLE]
        assert not RawPayload.objects.filter(stored_as="").exists()

    def test_what_comes_later_is_moved_too(self) -> None:
        mover = BodyMover()
        for _ in range(3):
            payload = kept(BODY)
            assert mover() == move_large_bodies.IDLE
            assert again(payload).stored_as

    def test_a_small_index_serves_it(self) -> None:
        rows = (
            RawPayload.objects.filter(move_large_bodies.IS_TO_MOVE, pk__gt=5)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        for _ in range(50 if connection.vendor == "postgresql" else 1):
            kept()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE notifications_rawpayload")
                cursor.execute("SET enable_seqscan = off")
        assert "raw_large" in rows.explain()
        assert str(LARGE) in move_large_bodies.IS_TO_MOVE.sql

    def test_two_movers_at_once(self, use_storage: Any, state_dir: Path) -> None:
        payload = kept(BODY)
        once = iter([payload.pk])
        storage = use_storage(while_saving(lambda: any(map(move, once)), FolderStorage))
        move(payload.pk)
        assert again(payload).body == BODY
        assert storage.listdir(payload.receipt.hex[:2]) == ([], [f"{payload.receipt.hex}-{payload.pk}"])

    def test_two_movers_at_once_where_nothing_is_overwritten(self, use_storage: Any) -> None:
        payload = kept(BODY)
        once = iter([payload.pk])
        storage = use_storage(while_saving(lambda: any(map(move, once))))
        move(payload.pk)
        assert again(payload).body == BODY
        folder, name = again(payload).stored_as.split("/")
        assert storage.listdir(folder) == ([], [name])

    def test_the_name_that_the_storage_takes_is_kept(self, use_storage: Any) -> None:
        payload = kept(BODY)
        occupy(use_storage(FileSystemStorage), payload)
        move_all()
        assert again(payload).stored_as.startswith(f"{bodies.name_of(payload.receipt, payload.pk)}_")
        assert again(payload).body == BODY

    @pytest.mark.parametrize("storage", [Sizeless, Compressing])
    def test_a_storage_of_whatever_kind(self, use_storage: Any, storage: type) -> None:
        use_storage(storage)
        assert moved().stored_as
        assert moved().body == BODY

    @pytest.mark.parametrize("storage", [Sloppy, SloppyAndSizeless])
    def test_the_row_keeps_what_the_storage_has_not(self, use_storage: Any, storage: type) -> None:
        use_storage(storage)
        payload = kept(BODY)
        with pytest.raises(StorageFailed, match="differs from what it was given"):
            move_all()
        assert (again(payload).stored_as, again(payload).body) == ("", BODY)

    def test_a_payload_that_goes_meanwhile_leaves_no_orphan(self, use_storage: Any) -> None:
        payload = kept(BODY)
        storage = use_storage(while_saving(lambda: RawPayload.objects.all().delete()))
        move(payload.pk)
        assert storage.listdir(payload.receipt.hex[:2]) == ([], [])

    def test_a_payload_that_has_gone(self) -> None:
        payload = kept(BODY)
        RawPayload.objects.all().delete()
        move(payload.pk)
        assert not RawPayload.objects.exists()

    def test_a_locked_database_leaves_no_orphan(self, use_storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def lock(*_: object) -> bool:
            raise OperationalError("database is locked")

        payload = kept(BODY)
        storage = use_storage(FileSystemStorage)
        occupy(storage, payload)
        with monkeypatch.context() as patch:
            patch.setattr(move_large_bodies, "take_out_of_row", lock)
            with pytest.raises(OperationalError):
                move_all()
        move_all()
        assert len(storage.listdir(payload.receipt.hex[:2])[1]) == 3
        make_notes_due()
        delete_noted()
        assert len(storage.listdir(payload.receipt.hex[:2])[1]) == 2
        assert again(payload).body == BODY


class FailingCases:
    def test_a_storage_that_is_down_leaves_bodies_in_their_rows(
        self, no_folder: Path, on_demo: Register, caplog: pytest.LogCaptureFixture
    ) -> None:
        on_demo(lambda _: None)
        payload = kept(BODY)
        call_command("process_raw", "--drain")
        assert states() == ["done"]
        assert (again(payload).stored_as, again(payload).body) == ("", BODY)
        assert re.search(r"move large bodies: StorageFailed: .*; next try in", caplog.text)
        no_folder.unlink()
        call_command("process_raw", "--drain")
        assert again(payload).stored_as

    def test_a_chore_tries_again_later_each_time(self, no_folder: Path) -> None:
        kept(BODY)
        chore = Chore("move", BodyMover())
        chore.turn()
        assert chore.failures == 1
        assert chore.turn() > 0

    def test_one_that_cannot_be_moved_holds_up_no_other(self, caplog: pytest.LogCaptureFixture) -> None:
        bad, good = kept(BODY), kept(BODY)
        RawPayload.objects.filter(pk=bad.pk).update(digest="0" * 64)
        mover = BodyMover()
        with pytest.raises(StorageFailed, match="another body"):
            mover()
        assert mover() == move_large_bodies.IDLE
        assert mover() == move_large_bodies.IDLE  # the bad one rests
        assert (again(bad).stored_as, bool(again(good).stored_as)) == ("", True)

    def test_it_is_tried_again_after_a_pause(self, no_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        payload = kept(BODY)
        mover = BodyMover()
        with pytest.raises(StorageFailed):
            mover()
        assert mover() == move_large_bodies.IDLE
        no_folder.unlink()
        pause = time.monotonic() + move_large_bodies.LONGEST_PAUSE
        monkeypatch.setattr(time, "monotonic", lambda: pause)
        mover()
        assert again(payload).stored_as


class ReadingCases:
    @pytest.mark.parametrize("loaded", ["inline_body", "stored_as", "both", "neither"])
    def test_one_that_was_loaded_before_the_move(self, loaded: str) -> None:
        kept(BODY)
        deferred = {"inline_body": ["stored_as"], "stored_as": ["inline_body"], "both": []}
        payload = RawPayload.objects.defer(*deferred.get(loaded, ["inline_body", "stored_as"])).get()
        move_all()
        assert payload.body == BODY

    def test_one_that_is_moved_while_it_is_read(self) -> None:
        payload = moved()
        payload.stored_as = ""  # as a SELECT of just before had it
        assert payload.body == BODY

    @pytest.mark.parametrize("piece", [LARGE + 1, LARGE, 100_000])
    def test_a_row_is_read_in_pieces(self, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
        monkeypatch.setattr(row_bodies, "PIECE", piece)
        kept(BODY)
        assert RawPayload.objects.defer("inline_body").get().body == BODY
        move_all()
        assert RawPayload.objects.get().body == BODY

    def test_one_that_is_moved_between_two_pieces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kept(BODY)
        payload = RawPayload.objects.defer("inline_body").get()
        piece_of_body = RowBodies.piece_of_body

        def move_after(rows: RowBodies, pk: int, start: int, length: int) -> bytes:
            piece = piece_of_body(rows, pk, start, length)
            monkeypatch.setattr(RowBodies, "piece_of_body", piece_of_body)
            move(pk)
            return piece

        monkeypatch.setattr(row_bodies, "PIECE", 100_000)
        monkeypatch.setattr(RowBodies, "piece_of_body", move_after)
        assert payload.body == BODY
        assert again(payload).stored_as

    def test_one_whose_row_has_gone(self) -> None:
        payload = kept(BODY)
        payload = RawPayload.objects.defer("inline_body").get(pk=payload.pk)
        RawPayload.objects.all().delete()
        with pytest.raises(RawPayload.DoesNotExist):
            _ = payload.body

    def test_a_missing_body(self, state_dir: Path) -> None:
        payload = moved()
        stored(payload, state_dir).unlink()
        with pytest.raises(BodyDamaged, match=f"the storage has no '{payload.stored_as}'.*NOTIFICATIONS_BODY_STORAGE"):
            _ = payload.body

    @pytest.mark.parametrize("wrong", [b"", BODY[:-1], BODY + b"!", b"?" + BODY[1:]])
    def test_wrong_bytes(self, state_dir: Path, wrong: bytes) -> None:
        payload = moved()
        stored(payload, state_dir).write_bytes(wrong)
        with pytest.raises(BodyDamaged, match="its digest differs"):
            _ = payload.body

    def test_a_folder_that_cannot_be_read(self, state_dir: Path) -> None:
        payload = moved()
        folder = stored(payload, state_dir).parent
        folder.rename(state_dir / "elsewhere")
        folder.write_text("no folder")
        with pytest.raises(StorageFailed, match="NotADirectoryError"):
            _ = payload.body

    def test_a_name_that_leads_elsewhere(self, state_dir: Path) -> None:
        payload = moved()
        payload.stored_as = "../../../etc/passwd"
        with pytest.raises(StorageFailed, match="SuspiciousFileOperation"):
            _ = payload.body

    @given(start=st.binary(max_size=64), size=st.integers(LARGE - 2, LARGE + 2) | st.integers(0, 4 * LARGE))
    @hypothesis_settings(suppress_health_check=list(HealthCheck))
    def test_any_bytes_come_back(self, start: bytes, size: int) -> None:
        body = ((start or b"\0") * (size // len(start or b"\0") + 1))[:size]
        payload = moved(body)
        assert payload.body == body
        assert bool(payload.stored_as) == (size > LARGE)
        assert again(payload).size == size


class HandlingCases:
    def test_altered_bytes_are_never_handled(self, state_dir: Path, on_demo: Register, settings: Any) -> None:
        settings.NOTIFICATIONS_SOURCES = {"demo": {"max_attempts": 2}}
        seen: list[bytes] = []
        on_demo(lambda payload: seen.append(payload.body))
        stored(moved(), state_dir).write_bytes(b"altered")
        call_command("process_raw", "--drain")  # so slow a machine tries it twice in one go
        payload = RawPayload.objects.get()
        assert (payload.state, payload.attempts) in {("retrying", 1), ("dead", 2)}
        assert "BodyDamaged" in payload.error
        make_due()
        call_command("process_raw", "--drain")
        assert (states(), seen) == (["dead"], [])

    @pytest.mark.parametrize("move", [True, False])
    def test_bodies_do_not_pile_up(self, on_demo: Register, move: bool) -> None:
        handled: list[weakref.ref[RawPayload]] = []
        alive: list[int] = []

        def count(payload: RawPayload) -> None:
            assert payload.body == BODY
            handled.append(weakref.ref(payload))
            alive.append(sum(other() is not None for other in handled))

        on_demo(count)
        for _ in range(20):
            kept(BODY)
        if move:
            move_all()
        call_command("process_raw", "--drain")
        assert len(alive) == 20
        assert max(alive) <= 2

    def test_a_storage_that_comes_back(self, state_dir: Path, on_demo: Register) -> None:
        seen: list[bytes] = []
        on_demo(lambda payload: seen.append(payload.body))
        moved()
        (state_dir / "bodies").rename(state_dir / "away")
        call_command("process_raw", "--drain")
        assert states() == ["retrying"]
        (state_dir / "away").rename(state_dir / "bodies")
        make_due()
        call_command("process_raw", "--drain")
        assert (states(), seen) == (["done"], [BODY])


class DeletingCases:
    def test_bodies_go(self, state_dir: Path) -> None:
        names = [moved().stored_as, moved().stored_as]
        assert bodies.delete([*names, "", "ab/gone"]) == 0
        assert files(state_dir) == []
        assert deletion_notes.due() == []

    def test_what_cannot_be_deleted_now_is_deleted_later(self, state_dir: Path) -> None:
        payload = moved()
        folder = stored(payload, state_dir).parent
        RawPayload.objects.all().delete()
        folder.rename(state_dir / "elsewhere")
        folder.write_text("no folder")
        assert bodies.delete([payload.stored_as]) == 1
        folder.unlink()
        (state_dir / "elsewhere").rename(folder)
        delete_noted()
        assert len(files(state_dir)) == 1  # not yet
        make_notes_due()
        delete_noted()
        assert files(state_dir) == []
        assert list(deletion_notes.folder().glob("*.names")) == []

    def test_a_storage_that_is_down_is_not_asked_for_each(
        self, no_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(bodies, "LONGEST_OUTAGE", -1.0)
        names = [f"ab/{number}" for number in range(100)]
        assert bodies.delete(names) == 100
        assert len(caplog.messages) == 1
        make_notes_due()
        assert [deletion_notes.read(note) for note in deletion_notes.due()] == [names]

    def test_rows_that_stay_keep_their_bodies(self, state_dir: Path) -> None:
        stays, goes = moved(), moved()
        deletion_notes.write([stays.stored_as, goes.stored_as])
        RawPayload.objects.filter(pk=goes.pk).delete()
        make_notes_due()
        delete_noted()
        assert files(state_dir) == [stored(stays, state_dir)]

    def test_names_of_the_storages_own_choice(self) -> None:
        stays = moved()
        deletion_notes.write(["7", stays.stored_as])
        make_notes_due()
        delete_noted()
        assert again(stays).body == BODY

    def test_process_raw_looks(self) -> None:
        assert "delete bodies" in [chore.name for chore in chores()]


class KilledCases:
    @pytest.mark.parametrize(
        "step",
        [
            "before-the-file-is-synced",
            "before-it-has-its-name",
            "before-its-folder-is-synced",
            "before-the-row-lets-go",
            "after-the-row-let-go",
        ],
    )
    def test_a_mover_that_dies_loses_nothing(self, step: str, state_dir: Path, database_url: str) -> None:
        payload = kept(BODY)
        killed(step, state_dir, database_url)
        assert bool(again(payload).stored_as) == (step == "after-the-row-let-go")
        assert again(payload).body == BODY
        make_old(state_dir)
        kept(BODY)
        move_all()
        assert [payload.body for payload in RawPayload.objects.all()] == [BODY, BODY]
        assert set(files(state_dir)) == {stored(payload, state_dir) for payload in RawPayload.objects.all()}

    @pytest.mark.parametrize("step", ["before-a-noted-body-is-deleted", "before-its-note-goes"])
    def test_what_is_noted_goes_at_last(self, step: str, state_dir: Path, database_url: str) -> None:
        payload = moved()
        RawPayload.objects.all().delete()
        deletion_notes.write([payload.stored_as])
        killed(step, state_dir, database_url)
        make_notes_due()
        delete_noted()
        assert files(state_dir) == []
        assert list(deletion_notes.folder().glob("*.names")) == []


class BodyStorageCases(MovingCases, FailingCases, ReadingCases, HandlingCases, DeletingCases, KilledCases):
    """All of them."""
