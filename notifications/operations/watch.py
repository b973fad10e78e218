"""Reports each problem once, and once that it is over: past the journal and the database. A chore of both workers.

So it comes whatever is broken. `process_raw` watches the verdict; `follow_journal` watches whether a process_raw runs.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, NamedTuple

from notifications.conf import conf
from notifications.events.admin_links import with_link
from notifications.events.emit import emit
from notifications.events.event import Event
from notifications.operations.alert import alert_channel
from notifications.operations.alert_mark import CRITICAL, WARNED, Mark, marked
from notifications.operations.alert_post import Post
from notifications.operations.machines import SharedMark, are_several_possible, shared_marks
from notifications.operations.problem import KINDS, SHARED, Grade, Problem, mark_of, parse_mark, title_of
from notifications.utils.durations import duration
from notifications.utils.times import utc_now

logger = logging.getLogger(__name__)

#: Seconds between two looks.
INTERVAL: Final = 5.0
#: A look that takes long is followed by a pause so many times as long…
PATIENCE: Final = 20.0
#: …but not longer than this.
LONGEST_INTERVAL: Final = 60.0
#: Seconds for which a problem must be gone to be over.
OVER: Final = 30.0


class Look(NamedTuple):
    """What is wrong now. `unknown`: names of problems that may be there or not, or that another machine reports."""

    problems: Iterable[Problem]
    unknown: frozenset[str] = frozenset()


class Watch:
    """A chore: call it again after the seconds that it returns.

    `look` returns what is wrong now. `names` are the kinds of problems that it may find. The files that remember what
    was reported are made for these at once: a full disk takes none later.
    """

    def __init__(self, look: Callable[[], Look], names: Iterable[str]) -> None:
        self._look, self._names = look, frozenset(names)
        self._reporters: dict[str, _Reporter] = {}
        self._found: dict[str, Problem] = {}
        self._unknown: frozenset[str] = frozenset()
        self._look_at = 0.0

    def __call__(self) -> float:
        if not self._reporters:  # not before: until now another process may have reported them
            self._remember()
        if time.monotonic() >= self._look_at:
            self._look_again()
        known = [(mark, each) for mark, each in self._reporters.items() if each.name not in self._unknown]
        return min([INTERVAL, *(each.turn(self._found.get(mark)) for mark, each in known)])

    def _remember(self) -> None:
        """Those that have no subject, and what was reported before."""
        for name in self._names:
            if "{subject}" not in KINDS[name].title:
                self._add(name, "")
        self._add_marked(marked())

    def _add_marked(self, marks: Iterable[str]) -> None:
        for mark in marks:
            self._add(*parse_mark(mark))

    def _add(self, name: str, subject: str) -> None:
        is_ours = name in self._names and KINDS[name].reported
        if is_ours and mark_of(name, subject) not in self._reporters:
            self._reporters[mark_of(name, subject)] = _Reporter(name, subject)

    def _look_again(self) -> None:
        started = time.monotonic()
        found, self._unknown = self._look()
        problems = [each for each in found if each.name in self._names and not each.elsewhere]
        self._found = {each.mark: each for each in problems if KINDS[each.name].reported}
        for each in self._found.values():
            self._add(each.name, each.subject)
        if self._names & SHARED - self._unknown:
            self._add_marked(shared_marks())  # another machine may have reported until now
        ended = time.monotonic()
        self._look_at = ended + min(max(INTERVAL, PATIENCE * (ended - started)), LONGEST_INTERVAL)


@cache
def _say(problem: str) -> None:
    logger.error("Problems are reported to nobody: %s", problem)


def _mark(name: str, subject: str) -> Mark | SharedMark:
    """What several machines could report they remember together."""
    shared = KINDS[name].shared and are_several_possible()
    return (SharedMark if shared else Mark)(mark_of(name, subject))


def _level_of(problem: Problem | None) -> int:
    if problem is None:
        return 0
    return CRITICAL if problem.grade is Grade.CRITICAL else WARNED


class _Reporter:
    """Reports one problem, and tries for as long as the channel takes nothing."""

    def __init__(self, name: str, subject: str) -> None:
        self.name, self._subject = name, subject
        self._mark = _mark(name, subject)
        #: Since when it is no longer as reported.
        self._changed_at: float | None = None
        self._event: Event | None = None
        self._post: Post | None = None
        #: When the problem that the event reports began, in seconds since the epoch; None if it says that it is over.
        self._since: float | None = None
        self._level = 0

    def turn(self, problem: Problem | None) -> float:
        """`problem` is what was found last. Returns the seconds until the next call."""
        if self._post is None and (text := self._text_to_report(problem)):
            try:
                channel = alert_channel()
            except LookupError as error:  # a project may want no alerts
                _say(str(error))
                return INTERVAL
            self._event = Event(conf.alert_channel, text, utc_now(), self._data())
            self._post = Post(channel, self._event, tries=math.inf, seconds=math.inf)
        return INTERVAL if self._post is None else self._deliver(self._post)

    def _text_to_report(self, problem: Problem | None) -> str:
        level, reported = _level_of(problem), self._mark.level()
        if level == reported or 0 < level < reported:
            self._changed_at = None
            return ""
        now = time.monotonic()
        self._changed_at = now if self._changed_at is None else self._changed_at
        lasts = now - self._changed_at
        if lasts < (KINDS[self.name].patience if problem else OVER):
            return ""
        if problem is None:
            return self._text_of_end(lasts)
        self._since, self._level = self._mark.since() or time.time() - lasts, level
        return with_link(f"{problem.text}.\n{problem.advice}", problem.path)

    def _text_of_end(self, ago: float) -> str:
        since, self._since = self._mark.since(), None
        lasted = f", after {duration(time.time() - ago - since)}" if since is not None else ""
        return f"Over: {title_of(self.name, self._subject)}{lasted}"

    def _deliver(self, post: Post) -> float:
        wait = post.poll()
        if wait is not None:
            return wait
        if post.problem and self._event is not None:
            logger.error("%s. The alert is in the journal: %s", post.problem, self._event.text)
            emit(self._event.name, self._event.text, **self._event.data)
        self._mark.set(self._since, self._level)  # another process may have reported it meanwhile
        post.close()
        self._post = self._changed_at = None
        return INTERVAL

    def _data(self) -> dict[str, Any]:
        return {"kind": "problem", "problem": self._mark.name, "alert": True}
