"""Large bodies: out of the row, into a folder, and back, byte for byte; on SQLite."""

import os
import re
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.db import OperationalError, connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from notifications import durable
from notifications.body_checks import check_body_storage, check_body_storage_is_shared
from notifications.chores import chores
from notifications.housekeeping import Chore
from notifications.models import RawPayload, State
from notifications.raw import body_store, deletion_notes, folder_storage, move_bodies, row_bodies
from notifications.raw.body_store import LARGE, BodyDamaged, StorageFailed
from notifications.raw.folder_storage import FolderStorage
from notifications.raw.move_bodies import BodyMover, delete_noted, move
from tests.support.bodies import (
    BODY,
    Compressing,
    Sizeless,
    Sloppy,
    SloppyAndSizeless,
    files,
    is_open_to_others,
    killed,
    move_all,
    moved,
    stored,
    while_saving,
)
from tests.support.payloads import kept, make_due, states

pytestmark = pytest.mark.usefixtures("database_url")
Register = Callable[..., None]


@pytest.fixture
def database_url(sqlite_file: Path) -> str:
    return f"sqlite:///{sqlite_file}"


@pytest.fixture
def use_storage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[type[FileSystemStorage]], Any]:
    """`use_storage(cls)` makes it the storage of bodies; gives it."""

    def use(cls: type[FileSystemStorage]) -> FileSystemStorage:
        storage = cls(tmp_path / "other")
        monkeypatch.setattr(body_store, "storage", lambda: storage)
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
    path = Path(storage.path(body_store.name_of(payload.receipt, payload.pk)))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"of somebody else")


def again(payload: RawPayload) -> RawPayload:
    return RawPayload.objects.get(pk=payload.pk)


class TestMoving:
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
        monkeypatch.setattr(move_bodies, "STEP", 0.0)
        for _ in range(3):
            kept(BODY)
        mover = BodyMover()
        assert [mover() for _ in range(4)] == [0.0, 0.0, 0.0, move_bodies.IDLE]
        assert not RawPayload.objects.filter(stored_as="").exists()

    def test_what_comes_later_is_moved_too(self) -> None:
        mover = BodyMover()
        for _ in range(3):
            payload = kept(BODY)
            assert mover() == move_bodies.IDLE
            assert again(payload).stored_as

    def test_a_small_index_serves_it(self) -> None:
        rows = RawPayload.objects.filter(move_bodies.IS_TO_MOVE, pk__gt=5).order_by("pk").values_list("pk", flat=True)
        for _ in range(50 if connection.vendor == "postgresql" else 1):
            kept()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE notifications_rawpayload")
                cursor.execute("SET enable_seqscan = off")
        assert "raw_large" in rows.explain()
        assert str(LARGE) in move_bodies.IS_TO_MOVE.sql

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
        assert again(payload).stored_as.startswith(f"{body_store.name_of(payload.receipt, payload.pk)}_")
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
        with pytest.raises(StorageFailed, match="something else"):
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
            patch.setattr(move_bodies, "_let_go", lock)
            with pytest.raises(OperationalError):
                move_all()
        move_all()
        assert len(storage.listdir(payload.receipt.hex[:2])[1]) == 3
        overdue()
        delete_noted()
        assert len(storage.listdir(payload.receipt.hex[:2])[1]) == 2
        assert again(payload).body == BODY


class TestFailing:
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
        assert mover() == move_bodies.IDLE
        assert mover() == move_bodies.IDLE  # the bad one rests
        assert (again(bad).stored_as, bool(again(good).stored_as)) == ("", True)

    def test_it_is_tried_again_after_a_pause(self, no_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        payload = kept(BODY)
        mover = BodyMover()
        with pytest.raises(StorageFailed):
            mover()
        assert mover() == move_bodies.IDLE
        no_folder.unlink()
        pause = time.monotonic() + move_bodies.LONGEST_PAUSE
        monkeypatch.setattr(time, "monotonic", lambda: pause)
        mover()
        assert again(payload).stored_as


class TestReading:
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
        piece_of = row_bodies.piece_of

        def move_after(pk: int, start: int, length: int) -> bytes:
            piece = piece_of(pk, start, length)
            monkeypatch.setattr(row_bodies, "piece_of", piece_of)
            move(pk)
            return piece

        monkeypatch.setattr(row_bodies, "PIECE", 100_000)
        monkeypatch.setattr(row_bodies, "piece_of", move_after)
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
        with pytest.raises(BodyDamaged, match="its digest is another"):
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
    @hypothesis_settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def test_any_bytes_come_back(self, start: bytes, size: int) -> None:
        body = ((start or b"\0") * (size // len(start or b"\0") + 1))[:size]
        payload = moved(body)
        assert payload.body == body
        assert bool(payload.stored_as) == (size > LARGE)
        assert again(payload).size == size


class TestHandling:
    def test_altered_bytes_are_never_handled(self, state_dir: Path, on_demo: Register, settings: Any) -> None:
        settings.NOTIFICATIONS_SOURCES = {"demo": {"max_attempts": 2}}
        seen: list[bytes] = []
        on_demo(lambda payload: seen.append(payload.body))
        stored(moved(), state_dir).write_bytes(b"altered")
        call_command("process_raw", "--drain")
        payload = RawPayload.objects.get()
        assert (payload.state, payload.attempts) == ("retrying", 1)
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


def overdue() -> None:
    """Let the time pass until notes are looked at."""
    before = time.time() - deletion_notes.PATIENCE - 1
    for path in deletion_notes.folder().glob("*.names"):
        os.utime(path, (before, before))


class TestDeleting:
    def test_bodies_go(self, state_dir: Path) -> None:
        names = [moved().stored_as, moved().stored_as]
        assert body_store.delete([*names, "", "ab/gone"]) == 0
        assert files(state_dir) == []
        assert deletion_notes.due() == []

    def test_what_cannot_be_deleted_now_is_deleted_later(self, state_dir: Path) -> None:
        payload = moved()
        folder = stored(payload, state_dir).parent
        RawPayload.objects.all().delete()
        folder.rename(state_dir / "elsewhere")
        folder.write_text("no folder")
        assert body_store.delete([payload.stored_as]) == 1
        folder.unlink()
        (state_dir / "elsewhere").rename(folder)
        delete_noted()
        assert len(files(state_dir)) == 1  # not yet
        overdue()
        delete_noted()
        assert files(state_dir) == []
        assert list(deletion_notes.folder().glob("*.names")) == []

    def test_a_storage_that_is_down_is_not_asked_for_each(
        self, no_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(body_store, "LONGEST_OUTAGE", -1.0)
        names = [f"ab/{number}" for number in range(100)]
        assert body_store.delete(names) == 100
        assert len(caplog.messages) == 1
        overdue()
        assert [deletion_notes.read(note) for note in deletion_notes.due()] == [names]

    def test_rows_that_stay_keep_their_bodies(self, state_dir: Path) -> None:
        stays, goes = moved(), moved()
        deletion_notes.write([stays.stored_as, goes.stored_as])
        RawPayload.objects.filter(pk=goes.pk).delete()
        overdue()
        delete_noted()
        assert files(state_dir) == [stored(stays, state_dir)]

    def test_names_of_the_storages_own_choice(self) -> None:
        stays = moved()
        assert move_bodies._in_use(["7", stays.stored_as]) == {stays.stored_as}

    def test_process_raw_looks(self) -> None:
        assert "delete bodies" in [chore.name for chore in chores()]


class TestKilled:
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
        overdue()
        delete_noted()
        assert files(state_dir) == []
        assert list(deletion_notes.folder().glob("*.names")) == []


def make_old(state_dir: Path) -> None:
    """Let the time pass until unfinished files have no writer any more."""
    before = time.time() - durable.ABANDONED - 1
    for path in (state_dir / "bodies" / folder_storage.TEMPORARY).iterdir():
        os.utime(path, (before, before))


class TestFolder:
    def test_it_is_on_the_disk_before_it_has_its_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        done: list[str] = []
        fsync, rename = os.fsync, Path.rename

        def note(descriptor: int) -> None:
            fsync(descriptor)
            done.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().relative_to(tmp_path).parts[:2]}")

        def note_rename(path: Path, target: Path) -> Path:
            done.append("rename")
            return rename(path, target)

        monkeypatch.setattr(os, "fsync", note)
        monkeypatch.setattr(Path, "rename", note_rename)
        storage = FolderStorage(tmp_path / "bodies")
        storage.save("ab/c", ContentFile(BODY))
        assert done == [
            "sync ('bodies', '.tmp')",
            "rename",
            "sync ('bodies', 'ab')",
            "sync ('bodies',)",
            "sync ()",
        ]

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            FolderStorage(tmp_path / "bodies").save("ab/c", ContentFile(BODY))
        assert [path for path in (tmp_path / "bodies").rglob("*") if path.is_file()] == []

    def test_saving_again_replaces(self, tmp_path: Path) -> None:
        storage = FolderStorage(tmp_path / "bodies")
        for body in (b"first", b"second"):
            assert storage.save("ab/c", ContentFile(body)) == "ab/c"
        with storage.open("ab/c") as file:
            assert file.read() == b"second"


class TestChecks:
    @pytest.mark.parametrize(
        ("changed", "id_"),
        [
            ({"NOTIFICATIONS_BODY_STORAGE": "rwa"}, "E014"),
            ({"NOTIFICATIONS_BODY_STORAGE": 5}, "E014"),
            ({"NOTIFICATIONS_BODY_STORAGE": "default"}, "W007"),
        ],
    )
    def test_a_wrong_storage_is_named(self, settings: Any, changed: dict[str, Any], id_: str) -> None:
        for name, value in changed.items():
            setattr(settings, name, value)
        [message] = check_body_storage()
        assert message.id == f"notifications.{id_}"
        assert "FolderStorage" in str(message.hint) or "'default'" in str(message.hint)

    def test_a_right_one(self, settings: Any, tmp_path: Path) -> None:
        assert check_body_storage() == []
        backend = {"BACKEND": "notifications.raw.folder_storage.FolderStorage", "OPTIONS": {"location": tmp_path}}
        settings.STORAGES = settings.STORAGES | {"shared": backend}
        settings.NOTIFICATIONS_BODY_STORAGE = "shared"
        assert check_body_storage() == []
        assert moved().body == BODY

    @pytest.mark.parametrize(
        ("engine", "alias", "ids"),
        [("sqlite3", "", []), ("postgresql", "raw", []), ("postgresql", "", ["notifications.W008"])],
    )
    def test_several_machines_need_one_storage(self, settings: Any, engine: str, alias: str, ids: list[str]) -> None:
        settings.NOTIFICATIONS_BODY_STORAGE = alias
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(settings.DATABASES, "default", {"ENGINE": f"django.db.backends.{engine}"})
            assert [message.id for message in check_body_storage_is_shared()] == ids
