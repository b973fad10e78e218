"""Saves the progress of a replay in STATE_DIR/replays, so that one that was killed resumes there."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from notifications.conf import conf
from notifications.operations.replay import Progress
from notifications.operations.selection import Place, Selection
from notifications.utils.durable_files import write_durably
from notifications.utils.file_locks import exclusive


class AlreadyReplayed(Exception):
    """Another process is replaying the same selection."""


class CheckpointDamaged(Exception):
    """The file is invalid, or its end is missing."""


class Checkpoint:
    """The progress of one selection, by its options as given: "2 days ago" is another time at the next start."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        text = json.dumps(asked, sort_keys=True, default=str)
        name = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
        self._path = conf.state_dir / "replays" / f"{name}.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock out other processes with the same replay. Raises AlreadyReplayed, and OSError."""
        with exclusive(self._path.with_suffix(".lock")) as ours:
            if not ours:
                raise AlreadyReplayed
            yield

    def load(self, selection: Selection) -> tuple[Selection, Progress] | None:
        """The selection with its original times, and how far it got; None if no replay was stopped.

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
        """Save durably: a power cut leaves this progress or the previous one. Raises OSError."""
        place = progress.place and [progress.place.time.isoformat(), progress.place.pk]
        kept = {name: getattr(progress, name) for name in ("upper", "total", "moved", "left")}
        times = {"since": selection.since, "until": selection.until}
        times |= {"started_at": progress.started_at, "due": progress.due}
        kept |= {"place": place} | {name: time and time.isoformat() for name, time in times.items()}
        write_durably(self._path, [json.dumps(kept).encode()], temporary=self._path.parent / "tmp")

    def forget(self) -> None:
        """The replay is done, or starts again."""
        self._path.unlink(missing_ok=True)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
