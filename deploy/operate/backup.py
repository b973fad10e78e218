"""Copies the database and the files beside it into a folder named by the time, while they are in use, and checks them.

Run by proppy-backup.service: python -m deploy.operate.backup --to FOLDER --keep N
"""

import argparse
import os
import shutil
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.db import Error

from deploy.operate import database
from deploy.operate.copied import Copied

#: Of STATE_DIR: accepted payloads not yet in a table, large bodies, photos if there is no bucket.
FOLDERS: Final = ("spool", "bodies", "media")
PARTIAL: Final = ".partial"


def main() -> None:
    parser = argparse.ArgumentParser(prog="backup", description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help="folder of the backups")
    parser.add_argument("--keep", type=at_least_one, default=14, help="how many of them to keep")
    options = parser.parse_args()
    try:
        print(back_up(database.state_dir(), options.to, options.keep))  # noqa: T201
    except (database.Failed, Error, OSError) as error:
        sys.exit(f"Failed: {error}")


def at_least_one(text: str) -> int:
    """The number. Raises ArgumentTypeError, which names the variable that the unit has it from."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"BACKUP_KEEP is {text!r}: write how many backups to keep, such as 14.")
    return int(text)


def back_up(state: Path, to: Path, keep: int) -> Path:
    """Make one backup, whole or not at all; delete all but the last `keep`. Returns its folder."""
    for rest in [*to.glob(f"*{PARTIAL}"), *backups(to)[: -max(keep, 1)]]:
        shutil.rmtree(rest)
    there = backups(to)
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    partial = to / f"{now}{PARTIAL}"
    latest = there[-1] if there else None
    size, files = database.size(), size_of_new_files(state, latest)
    check_room(size + files, to)
    partial.mkdir(mode=0o700)
    try:
        with Copied(size + files) as copied:
            # Twice: the files that the database's copy names came before it, or while it was made.
            copy_files(state, partial, latest, copied)
            with copied.growing(database.copy_in(partial), size):
                database.dump(partial)
            copy_files(state, partial, latest, copied)
        os.sync()
        whole = partial.rename(to / now)
    except BaseException:  # half a backup must not keep the disk full
        shutil.rmtree(partial)
        raise
    for old in backups(to)[: -max(keep, 1)]:
        shutil.rmtree(old)
    return whole


def check_room(size: int, to: Path) -> None:
    """Raises Failed if `size` bytes would leave too little room: the site would answer 503."""
    from notifications.conf import conf

    free = shutil.disk_usage(to).free
    if free - size < conf.min_free_bytes:
        room = f"{free >> 20} MiB are free in {to}, and this backup takes up to {size >> 20} MiB"
        raise database.Failed(
            f"{room}; the site needs {conf.min_free_bytes >> 20} MiB left. Make room, or lower BACKUP_KEEP."
        )


def size_of_new_files(state: Path, latest: Path | None) -> int:
    """Bytes of the files that are not in the latest backup."""
    total = 0
    for name in FOLDERS:
        for path in (state / name).rglob("*"):
            with suppress(FileNotFoundError):  # deleted meanwhile
                if path.is_file() and not (latest and _same(path, latest / path.relative_to(state))):
                    total += path.stat().st_size
    return total


def backups(folder: Path) -> list[Path]:
    """The whole backups, oldest first."""
    return sorted(path for path in folder.glob("2*") if path.is_dir() and path.suffix != PARTIAL)


def copy_files(state: Path, to: Path, latest: Path | None, copied: Copied) -> None:
    """Copy missing files; hard-link those that have not changed since the latest backup."""
    for name in FOLDERS:
        for folder, _, files in os.walk(state / name):
            target = to / Path(folder).relative_to(state)
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            for file in files:
                path = Path(folder) / file
                copied.add(_copy(path, target / file, latest / path.relative_to(state) if latest else None))


def _copy(path: Path, to: Path, before: Path | None) -> int:
    """Returns the bytes that were copied."""
    try:
        if _same(path, to):
            return 0
        to.unlink(missing_ok=True)
        if before is not None and _same(path, before):
            os.link(before, to)
            return 0
        shutil.copy2(path, to)
        return to.stat().st_size
    except FileNotFoundError:  # deleted meanwhile, or imported from the spool
        to.unlink(missing_ok=True)
        return 0


def _same(path: Path, other: Path) -> bool:
    """Whether they have the same size and mtime. Raises FileNotFoundError if `path` is gone."""
    ours = path.stat()
    try:
        theirs = other.stat()
    except FileNotFoundError:
        return False
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


if __name__ == "__main__":
    main()
