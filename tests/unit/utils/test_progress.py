"""How far something got, on a terminal and elsewhere."""

import logging
import os
import pty
import re
import sys
import time
from io import StringIO, TextIOWrapper

import pytest
from django.core.management.base import OutputWrapper

from notifications.utils import progress
from notifications.utils.progress import ProgressBar
from notifications.utils.progress_beside import beside


class Terminal(StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def drawn(text: str) -> list[str]:
    return [each.rstrip() for each in re.split(r"[\r\n]", text) if each.strip()]


@pytest.fixture(autouse=True)
def _each_change_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REDRAWN", 0.0)


def test_a_bar_on_a_terminal_has_rate_and_rest_and_stays_in_its_line() -> None:
    out = Terminal()
    with ProgressBar(OutputWrapper(out), 4) as bar:
        for seen in (1, 2, 4):
            bar.show(seen)
    first, *_, last = drawn(out.getvalue())
    assert re.fullmatch(r"  0 % \| {30}\| 0 of 4, \? payloads/s, \? left", first)
    assert re.fullmatch(r"100 % \|█{30}\| 4 of 4, +[\d.]+ payloads/s, 00:00 left", last)
    assert out.getvalue().count("\n") == 1


def test_what_an_earlier_run_did_does_not_count_for_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    out = StringIO()
    bar = ProgressBar(OutputWrapper(out), 1000, seen=500)
    for second in range(1, 26):
        now[0] = float(second)
        bar.show(500 + 20 * second)
    bar.close()
    assert out.getvalue().splitlines() == [
        " 70 %  700 of 1000, 20.00 payloads/s, 00:15 left",
        " 90 %  900 of 1000, 20.00 payloads/s, 00:05 left",
        "100 %  1000 of 1000, 20.00 payloads/s, 00:00 left",
    ]


def test_short_work_prints_no_line_where_there_is_no_terminal() -> None:
    out = StringIO()
    with ProgressBar(OutputWrapper(out), 3) as bar:
        bar.show(3)
    assert out.getvalue() == ""


@pytest.mark.parametrize("out", [StringIO(), Terminal()])
def test_nothing_to_do_is_no_bar_and_no_division_by_zero(out: StringIO) -> None:
    with ProgressBar(OutputWrapper(out), 0) as bar:
        bar.show(0)
    assert out.getvalue() == ""


def test_more_than_was_expected_is_all() -> None:
    out = Terminal()
    with ProgressBar(OutputWrapper(out), 2) as bar:
        bar.show(5)
    assert " 2 of 2, " in drawn(out.getvalue())[-1]


@pytest.mark.parametrize("out", [StringIO(), Terminal()])
def test_where_nobody_knows_how_much_there_is(out: StringIO) -> None:
    with ProgressBar(OutputWrapper(out), None, unit=" events", interval=0.0) as bar:
        bar.show(7)
    assert re.fullmatch(r"7 events, .* events/s", drawn(out.getvalue())[-1])


def test_bytes_are_shown_as_people_read_them() -> None:
    out = StringIO()
    with ProgressBar(OutputWrapper(out), 3 << 20, unit="B", interval=0.0) as bar:
        bar.show(3 << 19)
    assert out.getvalue().startswith(" 50 %  1.50M of 3.00M, ")


def test_what_others_write_is_above_the_bar() -> None:
    out = Terminal()
    with ProgressBar(OutputWrapper(out), 4) as bar:
        bar.show(1)
        for piece in ("half a ", "line", "\n"):  # as print() writes
            bar.write(piece, out)
            bar.show(2)
        bar.show(4)
    lines = drawn(out.getvalue())
    assert "half a line" in lines
    assert lines.index("half a line") < len(lines) - 1
    assert lines[-1].startswith("100 %")


def test_lines_of_logs_and_prints_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever LOGGING of the project is: its handler, its filters and its format are as they were."""
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    handler = logging.StreamHandler(err)
    handler.setFormatter(logging.Formatter("SHOP %(message)s"))
    logger = logging.getLogger("shop.of.a.test")
    logger.addHandler(handler)
    with ProgressBar(OutputWrapper(out), 4) as bar, beside(bar):
        bar.show(1)
        logger.warning("look here")
        print("a receipt", "and more")
        bar.show(2)
    logger.removeHandler(handler)
    assert err.getvalue() == "SHOP look here\n"
    assert "a receipt and more" in drawn(out.getvalue())
    assert (sys.stdout, sys.stderr, handler.stream) == (out, err, err)


def test_without_a_bar_nothing_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    with ProgressBar(OutputWrapper(out), 4) as bar, beside(bar):
        assert sys.stdout is out


def test_on_a_real_terminal_that_does_not_say_how_wide_it_is() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        assert isinstance(stream, TextIOWrapper)
        with ProgressBar(OutputWrapper(stream), 2) as bar:
            bar.show(2)
        stream.flush()
        text = ""
        while not text.endswith("\n"):  # it may come in pieces
            text += os.read(ours, 65536).decode()
    os.close(ours)
    assert drawn(text)[-1].startswith("100 % |")


def test_what_cannot_be_shown_does_not_stop_the_work() -> None:
    with open("/dev/full", "w") as full:
        with ProgressBar(OutputWrapper(full), 2, interval=0.0) as bar:
            bar.show(1)
        with pytest.raises(OSError, match="No space"):  # of the file itself, which has kept the text
            full.close()
