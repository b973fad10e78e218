"""Large bodies in their storage: what is there, and movers that die or find another storage than they hope for."""

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage

from notifications.bodies import deletion_notes, folder_storage
from notifications.bodies.storage import LARGE
from notifications.models import RawPayload
from notifications.process_raw.chores.move_large_bodies import BodyMover
from notifications.utils import durable_files
from tests.support.child import BASE_DIR, bare_env
from tests.support.payloads import kept
from tests.support.processes import settings_env

BODY = bytes(range(256)) * 1024 + b"!"
assert len(BODY) == LARGE + 1


def move_all() -> None:
    """Let a new mover move all that is there. Raises what it raises."""
    mover = BodyMover()
    while mover() == 0.0:
        pass


def moved(body: bytes = BODY, **options: Any) -> RawPayload:
    """A payload whose body is in the storage."""
    pk = kept(body, **options).pk
    move_all()
    return RawPayload.objects.get(pk=pk)


def files(state_dir: Path) -> list[Path]:
    """What is in the folder of bodies, unfinished files too."""
    return sorted(path for path in (state_dir / "bodies").rglob("*") if path.is_file())


def stored(payload: RawPayload, state_dir: Path) -> Path:
    """The file of a moved body."""
    return state_dir / "bodies" / payload.stored_as


def killed(step: str, state_dir: Path, database_url: str) -> None:
    """Move bodies in a process that SIGKILL ends in this step: the name of a function of `tests.support.dying`."""
    env = bare_env(state_dir) | settings_env(state_dir.parent)
    env |= {"STATE_DIR": str(state_dir), "DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "proppy.settings"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.dying", step], env=env, cwd=BASE_DIR, capture_output=True, timeout=120
    )
    assert done.returncode == -9, done.stderr.decode()


class Sloppy(FileSystemStorage):
    """Writes half of it, and says that all is well."""

    def _save(self, name: str, content: Any) -> str:
        half = content.read()[: content.size // 2]
        return super()._save(name, ContentFile(half))  # type: ignore[misc, no-any-return]  # not in the stubs


class Sizeless(FileSystemStorage):
    """Knows no sizes, as a storage may."""

    def size(self, name: str) -> int:
        raise NotImplementedError


class SloppyAndSizeless(Sizeless, Sloppy):
    pass


class Compressing(FileSystemStorage):
    """What it holds has another size than what it was given."""

    def _save(self, name: str, content: Any) -> str:
        return super()._save(name, ContentFile(gzip.compress(content.read(), 1)))  # type: ignore[misc, no-any-return]

    def _open(self, name: str, mode: str = "rb") -> "File[bytes]":
        unpacked: Any = gzip.open(self.path(name))  # noqa: SIM115  the caller closes it
        return File(unpacked, name)


def while_saving(do: Callable[[], object], cls: type[FileSystemStorage] = FileSystemStorage) -> type[FileSystemStorage]:
    """A storage during whose save() something happens."""

    class Storage(cls):  # type: ignore[misc, valid-type]
        def _save(self, name: str, content: Any) -> Any:
            name = super()._save(name, content)
            do()
            return name

    return Storage


def is_open_to_others(path: Path) -> bool:
    return bool(os.stat(path).st_mode & 0o077)


def make_old(state_dir: Path) -> None:
    """Let the time pass until unfinished files have no writer any more."""
    before = time.time() - durable_files.ABANDONED - 1
    for path in (state_dir / "bodies" / folder_storage.TEMPORARY).iterdir():
        os.utime(path, (before, before))


def make_notes_due() -> None:
    """Let the time pass until notes are looked at."""
    for path in deletion_notes.folder().glob("*.names"):
        os.utime(path, (time.time() - 2 * deletion_notes.PATIENCE,) * 2)
