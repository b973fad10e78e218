"""How far channels are behind: events after their positions, counted in the journal even if nobody follows it."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from notifications.conf import conf
from notifications.journal import Journal, journal_from_url
from notifications.models import Position
from notifications.positions.key import TEXT, machine_id
from notifications.status.lag_counting import Budget, End, Lag, Piece

SECONDS: Final = 0.5
NEVER: Final = datetime.min.replace(tzinfo=UTC)


def lags(positions: Iterable[Position], *, seconds: float = SECONDS) -> dict[int, Lag | None]:
    """The lag of each position of this machine, by primary key; None if this process may not read its journal.

    Counts that take longer than `seconds` are reported as "at least".
    """
    ours = machine_id()
    mine = sorted((each for each in positions if each.machine == ours), key=_url)
    budget = Budget(seconds)
    found: dict[int, Lag | None] = {each.pk: None for each in mine}
    for url, group in groupby(mine, _url) if _events_are_trusted() else ():
        with suppress(OSError, ValueError):
            found |= _of_journal(journal_from_url(url, conf.state_dir), list(group), budget)
    return found


def _url(position: Position) -> str:
    return position.journal.removesuffix(TEXT)


def _events_are_trusted() -> bool:
    """Not if root reads the events of another user's processes."""
    with suppress(OSError):
        return conf.state_dir.stat().st_uid in conf.trusted_uids
    return True


def _of_journal(journal: Journal, positions: Sequence[Position], budget: Budget) -> dict[int, Lag]:
    """Read each piece between two positions once, the youngest first: if the time runs out, only the positions
    furthest behind are incomplete.
    """
    found: dict[int, Lag] = {}
    left = sorted(positions, key=lambda each: each.entry_time or NEVER, reverse=True)
    until: str | None = None
    while left:
        after = left[0].cursor
        piece = Piece(left)
        end = piece.read(journal, after, until, budget)
        for each in left:
            found[each.pk] = _joined(piece.lags[each.pk], end, found.get(each.pk))
        left = [each for each in left if each.cursor != after]
        until = after
    return found


def _joined(piece: Lag, end: End, younger: Lag | None) -> Lag:
    """Add the counts of the later pieces, unless this one read to the journal's end: a position that is no longer in
    the journal ends no piece.
    """
    if younger is None or end is End.JOURNAL:
        return piece
    return Lag(piece.events + younger.events, piece.oldest or younger.oldest, piece.at_least or younger.at_least)
