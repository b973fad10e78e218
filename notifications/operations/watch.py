"""Reports problems that nobody else can report: past the journal and the database. A chore of `process_raw`.

Each is reported once, and once that it is over.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from notifications.conf import conf
from notifications.events.emit import emit
from notifications.events.event import Event
from notifications.operations.alert import alert_channel
from notifications.operations.alert_mark import Mark
from notifications.operations.alert_post import Post
from notifications.utils.times import utc_now

logger = logging.getLogger(__name__)

#: Seconds between two looks.
INTERVAL: Final = 5.0
#: Seconds for which a problem must be gone to be over.
OVER: Final = 30.0


class Problem(NamedTuple):
    """What to look for. `name` is unique, and that of a file."""

    name: str
    #: Returns what is wrong now, or "".
    look: Callable[[], str]
    #: What to report once it is over.
    over: str
    #: Seconds that it must last to be reported.
    patience: float = 0.0


class Watch:
    """A chore: call it again after the seconds that it returns. Raises LookupError if there is no alert channel."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self._problems = problems
        self._reporters: list[_Reporter] = []

    def __call__(self) -> float:
        if not self._reporters:  # not before: until now another process may have reported them
            self._reporters = [_Reporter(problem) for problem in self._problems]
        return min([INTERVAL, *(reporter.turn() for reporter in self._reporters)])


class _Reporter:
    """Reports one problem, and tries for as long as the channel takes nothing."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._mark = Mark(problem.name)
        #: Since when it is no longer as reported.
        self._changed_at: float | None = None
        self._event: Event | None = None
        self._post: Post | None = None
        #: What the event says: that there is a problem, or that it is over.
        self._is_wrong = False

    def turn(self) -> float:
        """Returns the seconds until the next call."""
        if self._post is None and (text := self._text_to_report()):
            self._event = Event(conf.alert_channel, text, utc_now(), self._data())
            self._post = Post(alert_channel(), self._event, tries=math.inf, seconds=math.inf)
        return INTERVAL if self._post is None else self._deliver(self._post)

    def _text_to_report(self) -> str:
        problem = self._problem.look()
        if bool(problem) == self._mark.is_set():
            self._changed_at = None
            return ""
        now = time.monotonic()
        self._changed_at = now if self._changed_at is None else self._changed_at
        lasts = now - self._changed_at >= (self._problem.patience if problem else OVER)
        self._is_wrong = bool(problem)
        return (problem or self._problem.over) if lasts else ""

    def _deliver(self, post: Post) -> float:
        wait = post.poll()
        if wait is not None:
            return wait
        if post.problem and self._event is not None:
            logger.error("%s. The alert is in the journal: %s", post.problem, self._event.text)
            emit(self._event.name, self._event.text, **self._event.data)
        self._mark.set(self._is_wrong)  # another process may have reported it meanwhile
        post.close()
        self._post = self._changed_at = None
        return INTERVAL

    def _data(self) -> dict[str, Any]:
        return {"kind": "problem", "problem": self._problem.name, "alert": True}
