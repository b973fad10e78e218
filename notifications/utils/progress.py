"""Shows how far long work has got: a bar on a terminal, elsewhere a line from time to time, with rate and rest."""

import shutil
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from django.core.management.base import OutputWrapper
from tqdm.std import tqdm

#: Seconds between two lines where there is no terminal: short work prints none.
INTERVAL: Final = 10.0
#: Seconds between two changes of the bar.
REDRAWN: Final = 0.1
BAR: Final = "{percentage:3.0f} % |{bar:30}| {n_fmt} of {total_fmt}, {rate_noinv_fmt}, {remaining} left"
LINE: Final = "{percentage:3.0f} %  {n_fmt} of {total_fmt}, {rate_noinv_fmt}, {remaining} left"
#: Where nobody knows how much there is.
ENDLESS: Final = "{n_fmt}{unit}, {rate_noinv_fmt}"


class ProgressBar:
    """Of `total` things, None if nobody knows; an earlier run has done `seen` of them. As a context manager it closes.

    `unit`: what they are, such as " payloads"; "B" are bytes, which are shown in kB and so on.
    """

    def __init__(
        self,
        out: OutputWrapper,
        total: int | None,
        *,
        seen: int = 0,
        unit: str = " payloads",
        interval: float | None = None,
    ) -> None:
        self._out, self._first, self._seen = out, seen, seen
        self._interval = INTERVAL if interval is None else interval
        self._shown, self._shown_at = -1, time.monotonic()
        self._started = time.monotonic()
        self._meter: dict[str, Any] = {"total": total, "unit": unit}
        if unit == "B":
            self._meter |= {"unit_scale": True, "unit_divisor": 1024}
        self._bar = _Bar.drawn(out, initial=seen, **self._meter) if out.isatty() and total != 0 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, seen: int) -> None:
        """Call it after each step, from one thread."""
        total = self._meter["total"]
        self._seen = seen if total is None else min(seen, total)
        with suppress(OSError):  # the disk of cron's log is full, the terminal is gone: the work goes on
            if self._bar is not None:
                self._bar.update(self._seen - self._bar.n)
            elif time.monotonic() - self._shown_at >= self._interval:
                self._write_line()

    def close(self) -> None:
        """End the bar's line; or write a last line, if there were others. May be called again."""
        with suppress(OSError):
            if self._bar is not None:
                self._bar.close()
            elif self._shown not in {-1, self._seen}:
                self._write_line()

    @property
    def is_bar(self) -> bool:
        """Whether it draws on a terminal."""
        return self._bar is not None

    def write(self, text: str, stream: Any) -> None:
        """Write text of somebody else's to a stream, above the bar."""
        if self._bar is None:
            stream.write(text)
            return
        with self._bar.get_lock():
            if not self._bar.waits:
                self._bar.clear(nolock=True)
            stream.write(text)
            stream.flush()
            self._bar.waits = not text.endswith("\n")
            self._bar.refresh(nolock=True)

    def _write_line(self) -> None:
        self._shown, self._shown_at = self._seen, time.monotonic()
        took = self._shown_at - self._started
        style = ENDLESS if self._meter["total"] is None else LINE
        line = tqdm.format_meter(self._seen, elapsed=took, initial=self._first, bar_format=style, **self._meter)
        self._out.write(line)
        self._out.flush()


class _Bar(tqdm):  # type: ignore[misc]  # untyped
    #: It needs no thread that watches it.
    monitor_interval = 0
    #: Whether somebody else's line beside it has not ended yet.
    waits = False

    @classmethod
    def drawn(cls, out: OutputWrapper, **options: Any) -> Self:
        cls.set_lock(threading.RLock())  # its default is one for several processes
        style = ENDLESS if options["total"] is None else BAR
        width = shutil.get_terminal_size().columns  # tqdm's own is 0 on a terminal that does not say
        bar: Self = cls(file=_Raw(out), bar_format=style, ncols=width, mininterval=REDRAWN, miniters=0, **options)
        return bar

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        return False if self.waits and msg is None else bool(super().display(msg, pos))


class _Raw:
    """What tqdm writes to: Django's wrapper would end each piece with a newline."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out

    def write(self, text: str) -> None:
        self._out.write(text, ending="")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)
