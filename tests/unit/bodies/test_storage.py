"""Large bodies on each database, and what is checked of their storage."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from notifications.bodies.folder_storage import FolderStorage
from notifications.checks.bodies import check_body_storage, check_body_storage_is_shared
from notifications.models import Position
from notifications.positions.key import machine_id
from tests.contracts.body_storage import BodyStorageCases, no_folder, use_storage
from tests.support.bodies import (
    BODY,
    moved,
)

__all__ = ["no_folder", "use_storage"]


@pytest.fixture(params=["sqlite_file", pytest.param("postgres_database", marks=pytest.mark.services)])
def database_url(request: pytest.FixtureRequest) -> str:
    there: Path | str = request.getfixturevalue(request.param)
    return there if isinstance(there, str) else f"sqlite:///{there}"


@pytest.mark.usefixtures("database_url")
class TestBodies(BodyStorageCases):
    """On each of the two."""


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


@pytest.mark.usefixtures("sqlite_file")
class TestChecks:
    @pytest.mark.parametrize(
        ("changed", "id_"),
        [
            ({"NOTIFICATIONS_BODY_STORAGE": "rwa"}, "E014"),
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
        backend = {"BACKEND": "notifications.bodies.FolderStorage", "OPTIONS": {"location": tmp_path}}
        settings.STORAGES = settings.STORAGES | {"shared": backend}
        settings.NOTIFICATIONS_BODY_STORAGE = "shared"
        assert check_body_storage() == []
        assert moved().body == BODY

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        ("engine", "alias", "machine", "hours", "ids"),
        [
            ("postgresql", "", "another", 1, ["notifications.W008"]),
            ("postgresql", "", "another", 48, []),  # it was replaced
            ("postgresql", "", machine_id(), 1, []),
            ("postgresql", "raw", "another", 1, []),
            ("sqlite3", "", "another", 1, []),
        ],
    )
    def test_several_machines_need_one_storage(
        self, settings: Any, engine: str, alias: str, machine: str, hours: int, ids: list[str]
    ) -> None:
        """One machine alone does not, and is not told so at each restart."""
        Position.objects.create(machine=machine, journal="file:///x", channel="SLACK", cursor="1")
        Position.objects.update(updated_at=timezone.now() - timedelta(hours=hours))
        settings.NOTIFICATIONS_BODY_STORAGE = alias
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(settings.DATABASES, "default", {"ENGINE": f"django.db.backends.{engine}"})
            assert [message.id for message in check_body_storage_is_shared(databases=["default"])] == ids
            assert check_body_storage_is_shared() == [], "nobody has allowed it to ask the database"
