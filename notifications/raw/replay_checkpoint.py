"""Remembers how far a replay got, so that one that was killed goes on there: a file in STATE_DIR/replays."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from notifications.conf import conf
from notifications.folders import make_private
from notifications.raw.replay import Progress
from notifications.raw.selection import Place, Selection


class AlreadyReplayed(Exception):
    """Another process replays the same selection right now."""


class CheckpointDamaged(Exception):
    """The file is none of ours, or its end is missing."""


class Checkpoint:
    """Of one selection, as it was asked for: "2 days ago" is another time by the next start."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        text = json.dumps(asked, sort_keys=True, default=str)
        name = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
        self._path = conf.state_dir / "replays" / f"{name}.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from the same replay. Raises AlreadyReplayed, and OSError."""
        make_private(self._path.parent)
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise AlreadyReplayed from error
        finally:
            os.close(descriptor)

    def load(self, selection: Selection) -> tuple[Selection, Progress] | None:
        """The selection with the times that it began with, and how far it got; None where none was broken off.

        Raises CheckpointDamaged, and OSError.
        """
        try:
            kept = json.loads(self._path.read_bytes())
            since, until = _time(kept["since"]), _time(kept["until"])
            place = kept["place"] and Place(datetime.fromisoformat(kept["place"][0]), int(kept["place"][1]))
            counts = {name: int(kept[name]) for name in ("upper", "total", "moved", "left")}
            started_at, due = (datetime.fromisoformat(kept[name]) for name in ("started_at", "due"))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, LookupError) as error:
            raise CheckpointDamaged(str(self._path)) from error
        selection = replace(selection, since=since, until=until)
        return selection, Progress(started_at=started_at, due=due, place=place, **counts)

    def save(self, selection: Selection, progress: Progress) -> None:
        """For good: a power cut leaves this one or the one before. Raises OSError."""
        place = progress.place and [progress.place.time.isoformat(), progress.place.pk]
        kept = {name: getattr(progress, name) for name in ("upper", "total", "moved", "left")}
        times = {"since": selection.since, "until": selection.until}
        times |= {"started_at": progress.started_at, "due": progress.due}
        kept |= {"place": place} | {name: time and time.isoformat() for name, time in times.items()}
        _write(self._path, json.dumps(kept).encode())

    def forget(self) -> None:
        """The replay is done, or begins anew."""
        self._path.unlink(missing_ok=True)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _write(path: Path, data: bytes) -> None:
    make_private(path.parent)
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
