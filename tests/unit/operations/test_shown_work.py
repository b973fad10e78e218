"""What the workers print where somebody looks."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.dispatch import Signal

from notifications.operations import shown_work as operations_shown_work
from notifications.operations.shown_work import Work, show_lines, shown_work


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def texts(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, "notifications")
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_line_a_second_for_each_source_and_channel(texts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    payload_handled = Signal()  # without the receivers of the site
    monkeypatch.setattr(operations_shown_work, "payload_handled", payload_handled)
    delivered = {"SLACK": 2}
    with shown_work("process_raw handles all", lambda: dict(delivered)) as say:
        assert say is not None
        for source, milliseconds in (("photo", 4.0), ("stripe", 1.0), ("photo", 2.0)):
            payload = SimpleNamespace(source=source)
            payload_handled.send(sender=None, payload=payload, milliseconds=milliseconds)
        say()
        say()
        delivered["SLACK"] = 5
    payload_handled.send(sender=None, payload=SimpleNamespace(source="photo"), milliseconds=1.0)
    assert texts() == [
        "process_raw handles all. Ctrl-C ends it.",
        "photo: 2 handled, 3.0 ms each",
        "stripe: 1 handled, 1.0 ms",
        "channel SLACK: 2 delivered",
        "channel SLACK: 3 delivered",
    ]


def test_where_nobody_looks_nothing_is_counted(texts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", StringIO())
    with shown_work("process_raw handles all") as say:
        assert say is None
    assert texts() == []


def test_nothing_done_is_no_line(texts: Any) -> None:
    Work(dict).say()
    assert texts() == []


@contextmanager
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The engine's logger in a project whose LOGGING has nothing for it; pytest adds its handlers for each test."""
    ours = logging.getLogger("notifications")
    level = ours.level
    with monkeypatch.context() as patch:
        patch.setattr(logging.root, "handlers", [])
        patch.setattr(ours, "handlers", [])
        ours.setLevel(logging.NOTSET)
        yield ours
        ours.setLevel(level)


def test_without_a_handler_the_lines_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stderr", out)
    with bare(monkeypatch):
        show_lines()
        show_lines()
        logging.getLogger("notifications.process_raw").info("it begins")
    assert out.getvalue().count("it begins") == 1
    assert "notifications" not in out.getvalue()


def test_a_handler_and_a_level_of_the_project_stay_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with bare(monkeypatch) as ours:
        theirs = logging.NullHandler()
        logging.root.addHandler(theirs)
        show_lines()
        assert ours.handlers == []
        logging.root.removeHandler(theirs)
        ours.setLevel(logging.ERROR)
        show_lines()
        assert ours.level == logging.ERROR
