"""Checks the stored files before they are read: is one missing, is one damaged?"""

import logging
from collections import deque
from typing import Final

from notifications.journal.base import Gap
from notifications.journal.journald.archived_files import JournalFile, Listing, folder_times, list_files
from notifications.journal.journald.cursor import Cursor, parse_cursor
from notifications.journal.journald.missing_files import Missing, missing_after
from notifications.journal.journald.verify import verifications

logger = logging.getLogger(__name__)

#: Seconds between two looks at a running verification.
PAUSE: Final = 0.05


class Inspection:
    """For one reader. The machine's own journal is not verified: it is large, and most of it is not ours."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._suspects: deque[JournalFile] = deque()
        self._times: list[int] = []
        #: Damaged files that are read next.
        self.damaged: list[JournalFile] = []

    def begin(self, after: str | None, since_us: int = 0) -> list[Gap]:
        """Returns the files that are missing after an entry, or since a time. Raises OSError."""
        self.damaged.clear()
        self._suspects.clear()
        self._times = folder_times(self._namespace)
        cursor = parse_cursor(after) if after else None
        if cursor is None and not self._namespace:
            return []
        listing = self._list_files()
        if listing is None:
            return []
        if self._namespace:
            unread = [file for file in listing.files if file.tail_us >= since_us and _has_after(file, cursor)]
            self._suspects += [file for file in unread if file.is_archived]
        gaps = [missing.gap for missing in missing_after(listing, cursor)]
        return [gap for gap in gaps if gap.until_us is None or gap.until_us >= since_us]

    def find_damage(self) -> list[Gap] | None:
        """Returns the next damaged file; [] if no other is damaged, None if that is not known yet. Raises OSError."""
        while self._suspects:
            file = self._suspects[0]
            damage = verifications.damage(file.path)
            if damage is None:
                return None
            self._suspects.popleft()
            if damage:
                self.damaged.append(file)
                return [_gap(file, damage)]
        return []

    def knows_damage_at(self, cursor: str) -> bool:
        """Whether the entry at this cursor is in a file that was reported as damaged."""
        series, number, _ = parse_cursor(cursor)
        return number is not None and any(
            each.id == series and each.head <= number <= each.tail for each in self.damaged
        )

    def look_again(self, after: str | None) -> list[Missing]:
        """If files came or went: returns what is missing now after an entry. Raises OSError."""
        times = folder_times(self._namespace)
        if times == self._times or after is None:
            return []
        listing = self._list_files()
        self._times = times
        if listing is None:
            return []
        return missing_after(listing, parse_cursor(after))

    def _list_files(self) -> Listing | None:
        """None if they cannot be listed now. The follower goes on, and tries again after the next rotation."""
        try:
            return list_files(self._namespace)
        except OSError as error:
            logger.warning("The journal's files cannot be listed, so it is unknown whether one is missing: %s", error)
            return None


def _has_after(file: JournalFile, cursor: Cursor | None) -> bool:
    return cursor is None or file.has_after(cursor)


def _gap(file: JournalFile, damage: str) -> Gap:
    """The file is still read, as far as it is readable."""
    reason = f"{file.path.name} is damaged ({damage})"
    return Gap(file.path.name, reason, since_us=file.head_us, until_us=file.tail_us + 1)
