"""Numbered events in a real journald, the site's own follower, and which numbers have come to Slack."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from notifications.events import emit
from notifications.events.outbox import Outbox
from notifications.journal import JournaldJournal
from tests.support.journald import JournaldNamespace
from tests.support.journals import settle
from tests.support.processes import Site
from tests.support.reading import Reading
from tests.support.slack import FakeSlack
from tests.support.wait import wait_for

FIRST_LINE: Final = re.compile(r"(\d+) events, \d")


class Telling:
    """Everything around one follower; `end()` lets go of it."""

    def __init__(self, site: Site, journald: JournaldNamespace, slack: FakeSlack) -> None:
        self.site, self.journald, self.slack = site, journald, slack
        self.rows = Reading(site).rows
        self.journal = JournaldJournal(journald.name)
        self.outbox = Outbox(self.journal, emit.lost_entry)
        self.count = 0
        self._lock = threading.Lock()
        site.env |= slack.env | {
            "DJANGO_SETTINGS_MODULE": "tests.support.tell_settings",
            "JOURNAL_URL": journald.url,
            "TEXT_JOURNAL_URL": journald.url,
        }

    def end(self) -> None:
        self.outbox.flush(10)
        self.journal.close()

    def tell(self, count: int = 1, *, name: str = "SLACK") -> None:
        """Write the next numbers."""
        for _ in range(count):
            with self._lock:
                self.outbox.write(emit.new_entry(name, f"number {self.count}", '{"trace":"a-request"}'))
                self.count += 1

    @contextmanager
    def dry(self) -> Iterator[None]:
        """Nothing is told meanwhile, and journald has what was told before."""
        with self._lock:
            assert self.outbox.flush(10)
            settle(self.journal)
            yield

    @contextmanager
    def flow(self, count: int, *, each: float) -> Iterator[None]:
        """Tell one event each so many seconds, on a thread of its own; all are written at the end of the block."""
        pause = threading.Event()

        def flow() -> None:
            for _ in range(count):
                self.tell()
                pause.wait(each)

        thread = threading.Thread(target=flow)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def spans(self) -> list[range]:
        """The numbers that each message stands for."""
        return [_span(message["text"]) for message in self.slack.messages]

    def wait(self, *, timeout: float = 20) -> None:
        """Until Slack was told the last number."""
        wait_for(lambda: self.spans() and self.spans()[-1].stop >= self.count, timeout=timeout, message="all is told")

    def assert_told(self, *, kills: int = 0) -> None:
        """Each number in order; for each kill at most one message again."""
        repeats, reach, before = 0, 0, range(0)
        for span in self.spans():
            assert before.start <= span.start <= reach, f"{before} then {span}"
            repeats += span.start < reach
            reach, before = max(reach, span.stop), span
        assert reach == self.count
        assert repeats <= kills

    def position(self, channel: str = "SLACK") -> tuple[Any, ...]:
        """Its cursor, and how many events wait, of the events' journal."""
        where = f"WHERE channel = '{channel}' AND journal = '{self.journald.url}'"
        found = self.rows(f"SELECT cursor, waiting FROM notifications_position {where}")
        return found[0] if found else ("", 0)

    def last_cursor(self) -> str:
        """Of the last entry."""
        return str(json.loads(self.journald.journalctl("-o", "json", "-n", "1"))["__CURSOR"])


def _span(text: str) -> range:
    lines = text.split("\n")
    first, last = (int(line.split()[-1]) for line in (lines[1 % len(lines)], lines[-1]))
    if len(lines) > 1:
        match = FIRST_LINE.match(lines[0])
        assert match, text
        assert int(match[1]) == last + 1 - first, text
    return range(first, last + 1)
