"""Remembers in STATE_DIR/alerts what was reported, for all processes: nothing is reported twice."""

import logging
import os
import time
from typing import Final

from notifications.conf import conf
from notifications.utils.private_folders import make_private

logger = logging.getLogger(__name__)

#: Seconds between two posts about one unit: a crash loop must not flood.
QUIET: Final = 60.0


class Mark:
    """A file that is not empty while a problem is reported and not yet over.

    It is made in time: a full disk takes no new file, but an old one can become longer without any room.
    """

    def __init__(self, name: str) -> None:
        self._path = conf.state_dir / "alerts" / f"{name}.reported"  # beside the time stamp of its unit
        self._is_set = False
        try:
            make_private(self._path.parent)
            self._path.touch(mode=0o600)
        except OSError as error:
            logger.warning("NOTIFICATIONS_STATE_DIR cannot remember alerts: %s", error)

    def is_set(self) -> bool:
        """As the last process left it; as this one did if the file cannot be used."""
        try:
            return self._path.stat().st_size > 0
        except OSError:
            return self._is_set

    def set(self, is_set: bool) -> None:
        """Remember that it is reported, or that it is over."""
        self._is_set = is_set
        try:
            os.truncate(self._path, int(is_set))
        except OSError as error:  # the next process reports it again
            logger.warning("NOTIFICATIONS_STATE_DIR cannot remember alerts: %s", error)


def reported_just_now(unit: str) -> bool:
    """Whether this was called for the unit within the last minute. False if the folder cannot be written."""
    stamp = conf.state_dir / "alerts" / unit
    try:
        if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < QUIET:
            return True
        make_private(stamp.parent)
        stamp.touch(mode=0o600)
    except OSError as error:
        logger.warning("NOTIFICATIONS_STATE_DIR cannot remember alerts: %s", error)
    return False
