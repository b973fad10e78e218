"""Shows progress: a bar on a terminal, elsewhere a line for each tenth."""

import time
from typing import Final

from django.core.management.base import OutputWrapper

from notifications.utils.durations import duration

WIDTH: Final = 30
#: Seconds between two changes of the bar.
INTERVAL: Final = 0.1


class ProgressBar:
    """`total` is how many there are, `seen` how many an earlier run has done."""

    def __init__(self, out: OutputWrapper, total: int, *, seen: int = 0) -> None:
        self._out, self._total = out, total
        self._first, self._since = seen, time.monotonic()
        self._shown_at, self._tenth = float("-inf"), 10 * seen // max(total, 1)
        self._open = False

    def show(self, seen: int) -> None:
        """Call it after each step."""
        seen = min(seen, self._total)
        if not self._out.isatty():
            tenth = 10 * seen // max(self._total, 1)
            if tenth > self._tenth:
                self._out.write(f"{100 * seen // max(self._total, 1):3} %  {seen} of {self._total}\n")
                self._out.flush()
            self._tenth = tenth
        elif seen == self._total or time.monotonic() - self._shown_at > INTERVAL:
            self._shown_at, self._open = time.monotonic(), True
            self._out.write(f"\r\x1b[K{self._bar(seen)}", ending="")
            self._out.flush()

    def close(self) -> None:
        """End the bar's line."""
        if self._open:
            self._out.write("")
        self._open = False

    def _bar(self, seen: int) -> str:
        share = seen / max(self._total, 1)
        filled = int(share * WIDTH)
        took, new = time.monotonic() - self._since, seen - self._first
        left = f", {duration(took / new * (self._total - seen))} left" if new and seen < self._total else ""
        return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {100 * share:3.0f} %  {seen} of {self._total}{left}"
