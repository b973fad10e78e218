"""Which entries of a journald are read, and from where."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Source(NamedTuple):
    """Which entries, which of their fields, and which folders."""

    namespace: str
    #: An entry is read if it has all fields, written KEY=value, of one of these.
    wanted: Sequence[Sequence[str]]
    fields: Sequence[str]
    #: The folder that a bell may use.
    links: Path | None
    #: A folder to read instead of the namespace's.
    archive: Path | None = None

    @property
    def matches(self) -> list[str]:
        """`wanted` as arguments of journalctl, where "+" means "or"."""
        first, *others = self.wanted
        return [*first, *(match for other in others for match in ("+", *other))]

    def matched(self, fields: Mapping[str, Any]) -> bool:
        """Decides as journalctl does, if it is started without the matches."""
        return any(all(_has(fields, match) for match in matches) for matches in self.wanted)


def _has(fields: Mapping[str, Any], match: str) -> bool:
    key, _, value = match.partition("=")
    found = fields.get(key)
    return value in found if isinstance(found, list) else found == value
