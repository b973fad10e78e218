"""A storage that does not let one write, read or delete: the object is not left if that can be helped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import InMemoryStorage, storages

from notifications.doctor import Finding

Only = Callable[[str], Finding]
Examine = Callable[[str], tuple[list[Finding], int]]


class Denied(InMemoryStorage):
    """Denies what it is told, and changes what it stores if it is told that."""

    denies = ""

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        self._allow("write")
        kept = ContentFile(b"other") if self.denies == "same" else content
        return super().save(name, kept, max_length)

    def open(self, name: str, mode: str = "rb") -> "File[Any]":
        self._allow("read")
        return super().open(name, mode)

    def delete(self, name: str) -> None:
        self._allow("delete")
        super().delete(name)

    def _allow(self, right: str) -> None:
        if right == self.denies:
            raise PermissionError("AccessDenied")


@pytest.fixture
def large(settings: Any) -> Denied:
    settings.STORAGES = settings.STORAGES | {"large": {"BACKEND": f"{__name__}.Denied"}}
    settings.NOTIFICATIONS_BODY_STORAGE = "large"
    storage = storages["large"]
    assert isinstance(storage, Denied)
    return storage


def files(storage: Denied) -> list[str]:
    folders, names = storage.listdir("")
    assert folders == []
    return names


def test_a_storage_that_works_is_left_as_it_was(only: Only, large: Denied) -> None:
    assert only("bodies").text == "large: an object was written, read and deleted"
    assert files(large) == []


def test_a_folder_is_left_as_it_was(only: Only, settings: Any, tmp_path: Path) -> None:
    """A folder that root makes there could not be written to by the services."""
    options = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "large"}}
    (tmp_path / "large").mkdir()
    settings.STORAGES = settings.STORAGES | {"large": options}
    settings.NOTIFICATIONS_BODY_STORAGE = "large"
    assert only("bodies").result == "ok"
    assert list((tmp_path / "large").iterdir()) == []


@pytest.mark.parametrize(
    ("right", "advice", "left"),
    [("write", "PutObject", 0), ("read", "GetObject", 0), ("delete", "DeleteObject", 1)],
)
def test_a_missing_right(examine: Examine, large: Denied, right: str, advice: str, left: int) -> None:
    large.denies = right
    (finding,), status = examine("bodies")
    assert "PermissionError: AccessDenied" in finding.text
    assert advice in finding.advice
    assert status == 2
    assert len(files(large)) == left
    assert all(name in finding.text for name in files(large)), "to delete it by hand"


def test_other_bytes_come_back(only: Only, large: Denied) -> None:
    large.denies = "same"
    finding = only("bodies")
    assert "other bytes than it took" in finding.text
    assert finding.advice.startswith("Mend its bucket")
    assert files(large) == []


def test_without_a_setting_nothing_is_made(only: Only, state_dir: Path) -> None:
    assert only("bodies").result == "ok"
    assert not (state_dir / "bodies").exists()
