"""Remembers how far a replay got, so that one that was killed goes on there: a file in STATE_DIR/replays."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from notifications.conf import conf
from notifications.durable import write_durably
from notifications.locks import exclusive
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
        with exclusive(self._path.with_suffix(".lock")) as ours:
            if not ours:
                raise AlreadyReplayed
            yield

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
        write_durably(self._path, [json.dumps(kept).encode()], temporary=self._path.parent / "tmp")

    def forget(self) -> None:
        """The replay is done, or begins anew."""
        self._path.unlink(missing_ok=True)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
