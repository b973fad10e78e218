"""How far something got, on a terminal and elsewhere."""

from io import StringIO

import pytest
from django.core.management.base import OutputWrapper

from notifications.operations import progress_bar
from notifications.operations.progress_bar import ProgressBar


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_stays_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bar, "INTERVAL", -1.0)
    out = Terminal()
    bar = ProgressBar(OutputWrapper(out), 4)
    for seen in (1, 2, 4):
        bar.show(seen)
    bar.close()
    first, second, last = out.getvalue().split("\r\x1b[K")[1:]
    assert first.startswith("[#######.......................]  25 %  1 of 4")
    assert second.endswith(" left")
    assert last == f"[{'#' * 30}] 100 %  4 of 4\n"


def test_elsewhere_a_line_for_each_tenth_and_none_again_for_what_was_done_before() -> None:
    out = StringIO()
    bar = ProgressBar(OutputWrapper(out), 1000, seen=500)
    for seen in range(501, 1001):
        bar.show(seen)
    bar.close()
    lines = out.getvalue().splitlines()
    assert lines == [f"{10 * tenth:3} %  {100 * tenth} of 1000" for tenth in range(6, 11)]


def test_nothing_to_do_is_no_division_by_zero() -> None:
    out = StringIO()
    bar = ProgressBar(OutputWrapper(out), 0)
    bar.show(0)
    bar.close()
    assert out.getvalue() == ""
