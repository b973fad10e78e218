"""What nobody's journal should hold: entries in every shape, files with foreign bytes, followers that are killed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest import mock

import orjson
from hypothesis import strategies as st

from notifications.events.event import Event
from notifications.follow_journal.follower import Follower
from notifications.follow_journal.when_to_save import PositionSaver
from notifications.journal import Entry
from notifications.journal.base import FIELDS
from tests.support.tell import Clock, FlakyJournal

UID: Final = str(os.getuid())

_DEEP: Final[Any] = orjson.loads("[" * 1000 + "]" * 1000)
_TEXTS: Final = st.sampled_from(
    ["SLACK: hostile", "SLACK: a\nSLACK: <!channel>", "SLACK: \u202egnp", "SLACK:x", "slack: x", "X" * 33 + ": x", "\0"]
) | st.text(st.characters(exclude_categories=[]))
_BYTES: Final = st.binary(max_size=20).map(list) | st.just(list(b"SLACK: \xff bytes"))
#: As journalctl prints fields: strings, bytes as numbers, either of them repeated, null; and as it never would.
VALUES: Final[st.SearchStrategy[Any]] = st.one_of(
    st.none(),
    _TEXTS,
    _BYTES,
    st.lists(_TEXTS | _BYTES | st.none(), max_size=3),
    st.sampled_from([True, -1, 2**70, 1e300, float("nan"), {}, {"a": {}}, _DEEP, "x" * 70_000, "😀" * 20_000]),
)
_NAMES: Final = st.sampled_from(["SLACK", "OPS", "slack", "SLACK ", "SLACK\n", "X" * 33, "", ["SLACK", "SLACK"]])
_UIDS: Final = st.sampled_from(["65534", "", f" {UID}", f"{UID}\n", "٠", "-0", f"+{UID}", [UID], [UID, UID], int(UID)])
_DATA: Final = st.sampled_from(
    ['{"kind": "<!channel>\\n"}', '{"digest": {"count": 9}}', "{", "[]", "null", '{"kind": NaN}', "[" * 5000]
)
_OURS: Final = {"MESSAGE": _TEXTS | VALUES, "PROPPY_EVENT": _NAMES | VALUES, "PROPPY_DATA": _DATA | VALUES}


def _not_ours(fields: dict[str, Any]) -> bool:
    return fields.get("PROPPY_EVENT") != "SLACK" or fields.get("_UID") != UID


#: Fields of an entry that is no event "SLACK" of a trusted user.
hostile_fields: Final = st.fixed_dictionaries(
    {},
    optional={name: _OURS.get(name, VALUES) for name in (*FIELDS, "lower", "_UID_", "")} | {"_UID": _UIDS | VALUES},
).filter(_not_ours)


class AnyJournal(FlakyJournal):
    """Entries with any fields, beside those that are written to it. `away`: it cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self._hostile: dict[int, dict[str, Any]] = {}

    def put(self, fields: dict[str, Any]) -> None:
        """Append an entry with these fields."""
        self.write(self.encode({}))
        self._hostile[self.range()[1]] = fields

    def entries(self, after: int, limit: int) -> list[Entry]:
        if self.away:
            raise OSError("away")
        found = super().entries(after, limit)
        return [each._replace(fields=self._hostile.get(int(each.position), each.fields)) for each in found]


class Mortal:
    """A follower in several lives: ended or killed, the next one goes on from the position in the database."""

    def __init__(self, make: Callable[[], Follower[Event]], clock: Clock) -> None:
        self._make, self._clock = make, clock
        self._follower: Follower[Event] | None = None

    def __enter__(self) -> "Mortal":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def turn(self, turns: int) -> None:
        """Poll so many times, and let the time pass that it waits. KeyboardInterrupt kills it."""
        for _ in range(turns):
            self._follower = self._follower or self._make()
            try:
                self._clock.now += self._follower.poll() or 0.0
            except KeyboardInterrupt:
                self.kill()

    def kill(self) -> None:
        """As SIGKILL: nothing is saved any more."""
        with mock.patch.object(PositionSaver, "close"):
            self.end()

    def end(self) -> None:
        """As SIGTERM."""
        if self._follower is not None:
            self._follower.close()
            self._follower = None


def append(folder: Path, raw: bytes) -> None:
    """Write bytes to the end of a file journal, behind its back, also where the file is sealed."""
    newest = max(folder.glob("*.journal"))
    mode = newest.stat().st_mode
    newest.chmod(0o600)
    with newest.open("ab") as file:
        file.write(raw)
    newest.chmod(mode)
