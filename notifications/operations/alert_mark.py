"""Remembers in STATE_DIR/alerts what was reported, for all processes: nothing is reported twice."""

import logging
import os
import time
from pathlib import Path
from typing import Final

from notifications.conf import conf
from notifications.utils.private_folders import make_private

logger = logging.getLogger(__name__)

#: Seconds between two posts about one unit: a crash loop must not flood.
QUIET: Final = 60.0
#: How grave what was reported is: bytes of a mark. A warning that becomes critical is reported once more.
WARNED: Final = 1
CRITICAL: Final = 2
REPORTED: Final = ".reported"


class Mark:
    """A file that is not empty while a problem is reported and not yet over. Its time is that of the problem's begin.

    It is made in time: a full disk takes no new file, but an old one can become longer without any room.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = _folder() / f"{name}{REPORTED}"  # beside the time stamp of its unit
        self._since: float | None = None
        self._level = 0
        try:
            make_private(self._path.parent)
            self._path.touch(mode=0o600)
        except OSError as error:
            logger.warning("NOTIFICATIONS_STATE_DIR cannot remember alerts: %s", error)

    def is_set(self) -> bool:
        """As the last process left it; as this one did if the file cannot be used."""
        return self.since() is not None

    def since(self) -> float | None:
        """When the reported problem began, in seconds since the epoch; None if none is reported."""
        try:
            found = self._path.stat()
        except OSError:
            return self._since
        return found.st_mtime if found.st_size else None

    def level(self) -> int:
        """As how grave it was reported; 0 if it is not."""
        try:
            return self._path.stat().st_size
        except OSError:
            return self._level

    def set(self, since: float | None, level: int = CRITICAL) -> None:
        """Remember that it is reported, and since when there is the problem; or, with None, that it is over."""
        self._since, self._level = since, 0 if since is None else level
        try:
            if since is None and "=" in self.name:  # of a process or a channel, of which there may be ever new ones
                self._path.unlink(missing_ok=True)
                return
            self._path.touch(mode=0o600)
            os.truncate(self._path, self._level)
            if since is not None:
                os.utime(self._path, (since, since))
        except OSError as error:  # the next process reports it again
            logger.warning("NOTIFICATIONS_STATE_DIR cannot remember alerts: %s", error)


def marked() -> list[str]:
    """The names of the marks that are set. None of them if the folder cannot be read."""
    try:
        paths = [path for path in _folder().iterdir() if path.name.endswith(REPORTED)]
        return [path.name.removesuffix(REPORTED) for path in paths if path.stat().st_size]
    except OSError:
        return []


def _folder() -> Path:
    return conf.state_dir / "alerts"


def reported_just_now(unit: str) -> bool:
    """Whether this was called for the unit within the last minute. False if the folder cannot be written."""
    stamp = _folder() / unit
    try:
        if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < QUIET:
            return True
        make_private(stamp.parent)
        stamp.touch(mode=0o600)
    except OSError as error:
        logger.warning("NOTIFICATIONS_STATE_DIR cannot remember alerts: %s", error)
    return False
