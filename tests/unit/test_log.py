"""Which payload a log line belongs to, and how urgent it is in the journal."""

import logging
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from django.test import RequestFactory

from notifications.log import JournalFormatter, JournalHandler, PayloadFilter, ReadableFormatter, handling
from notifications.models import RawPayload
from notifications.utils.log_fields import log_fields
from tests.support.child import BASE_DIR
from tests.support.processes import settings_env


def line(name: str = "shop.handlers") -> str:
    record = logging.LogRecord(name, logging.INFO, "", 0, "counted", None, None)
    assert PayloadFilter().filter(record)
    return logging.Formatter("%(name)s%(payload)s: %(message)s").format(record)


def test_names_payload_and_attempt_in_the_block_alone() -> None:
    payload = RawPayload(source="stripe", attempts=2)
    before = line()
    with handling(payload):
        inside = line()
        seen: list[str] = []
        other = threading.Thread(target=lambda: seen.append(line()))
        other.start()
        other.join()
        ours = line("notifications.process_raw.handle_payload")
    assert inside == f"shop.handlers [stripe {payload.receipt} attempt 2]: counted"
    assert [before, line(), *seen] == ["shop.handlers: counted"] * 3, "another thread handles something else"
    assert ours == "notifications.process_raw.handle_payload: counted", "its lines name the payload themselves"


def stream_of(descriptor: int) -> str:
    """JOURNAL_STREAM of a unit whose stream it is."""
    status = os.fstat(descriptor)
    return f"{status.st_dev}:{status.st_ino}"


@pytest.mark.parametrize(
    ("level", "prefix"),
    [("CRITICAL", "<2>"), ("ERROR", "<3>"), ("WARNING", "<4>"), ("INFO", "<6>"), ("DEBUG", "<7>"), ("Level 35", "<4>")],
)
def test_each_line_has_the_priority_of_its_level(level: str, prefix: str) -> None:
    number = int(level.split()[1]) if " " in level else logging.getLevelNamesMapping()[level]
    record = logging.LogRecord("shop", number, "", 0, "one\n<0>two\n\n\0<0>three", None, None)
    journal, elsewhere = (JournalFormatter("%(message)s", journal_stream=each) for each in (stream_of(2), "1:1"))
    assert journal.format(record) == f"{prefix}one\n{prefix}<0>two\n\n\0{prefix}<0>three"
    assert elsewhere.format(record) == JournalFormatter("%(message)s").format(record) == record.getMessage()


def record_of(message: str, level: int = logging.WARNING, **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("shop.handlers", level, "/srv/shop/handlers.py", 7, message, None, None, "price")
    record.__dict__.update(extra)
    return record


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_line_is_its_time_its_level_and_what_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    formatter = ReadableFormatter("%(levelname)s %(name)s: %(message)s")
    plain = formatter.format(record_of("late"))
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("DJANGO_COLORS", "nocolor")
    assert re.fullmatch(r"\d\d:\d\d:\d\d  warning  late", formatter.format(record_of("late")))
    assert formatter.format(record_of("late", payload=" [stripe 1 attempt 2]")).endswith("  late [stripe 1 attempt 2]")
    assert re.search(r"  info     began$", formatter.format(record_of("began", logging.INFO)))
    try:
        raise KeyError("price")
    except KeyError:
        failed = record_of("failed", logging.ERROR, exc_info=sys.exc_info())
    assert re.search(r"  error    failed\nTraceback(?s:.*)\nKeyError: 'price'$", formatter.format(failed))
    monkeypatch.setenv("DJANGO_COLORS", "dark")
    assert "\x1b[31;1merror\x1b[0m" in formatter.format(failed)
    assert plain == "WARNING shop.handlers: late", "elsewhere it is as the project wants it"


def test_a_process_runner_has_the_time_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_COLORS", "nocolor")
    assert ReadableFormatter("%(name)s: %(message)s", piped=True).format(record_of("late")) == "warning  late"


class Journald:
    """A socket as journald's. `entries()` are what came, field by field."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "socket"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)

    def entries(self) -> list[dict[str, str]]:
        found = []
        with suppress(BlockingIOError):
            while record := self._socket.recv(1 << 20):
                found.append(_parsed(record))
        return found

    def close(self) -> None:
        self._socket.close()


def _parsed(record: bytes) -> dict[str, str]:
    """systemd.io/JOURNAL_NATIVE_PROTOCOL."""
    fields, left = {}, record
    while left:
        line, _, left = left.partition(b"\n")
        name, is_short, value = line.partition(b"=")
        if not is_short:
            length = int.from_bytes(left[:8], "little")
            value, left = left[8 : 8 + length], left[9 + length :]
        fields[name.decode()] = value.decode()
    return fields


@pytest.fixture
def journald_socket(tmp_path: Path) -> Iterator[Journald]:
    made = Journald(tmp_path)
    yield made
    made.close()


@contextmanager
def in_journal(where: Path, stream: StringIO) -> Iterator[JournalHandler]:
    handler = JournalHandler(stream, journal_stream=stream_of(2), journald_socket=str(where))
    handler.setFormatter(ReadableFormatter("%(levelname)s %(name)s: %(message)s", journal_stream=stream_of(2)))
    with closing(handler):
        yield handler


def test_in_the_journal_a_record_is_one_entry_with_fields(journald_socket: Journald, settings: Any) -> None:
    settings.NOTIFICATIONS_RELEASE = "1.4.0"
    stream = StringIO()
    payload = RawPayload(source="stripe", attempts=2, headers_json='{"x-request-id": "r1"}')
    request = RequestFactory().get("/", headers={"x-request-id": "r2"})
    with in_journal(journald_socket.path, stream) as handler:
        handler.handle(record_of("late\nPRIORITY=0"))
        with handling(payload), log_fields(lambda: {"PROPPY_CHANNEL": "SLACK", "PROPPY_NOTHING": ""}):
            handler.handle(record_of("failed", logging.ERROR))
        handler.handle(record_of("refused", request=request))
    first, second, third = journald_socket.entries()
    assert first.pop("SYSLOG_IDENTIFIER") not in {"", "proppy"}, "no line may pass for an event"
    assert first == {
        "MESSAGE": "WARNING shop.handlers: late\nPRIORITY=0",
        "PRIORITY": "4",
        "LOGGER": "shop.handlers",
        "CODE_FILE": "/srv/shop/handlers.py",
        "CODE_LINE": "7",
        "CODE_FUNC": "price",
        "PROPPY_RELEASE": "1.4.0",
    }
    named = {name: value for name, value in second.items() if name.startswith("PROPPY_")}
    assert named == {
        "PROPPY_RELEASE": "1.4.0",
        "PROPPY_SOURCE": "stripe",
        "PROPPY_RECEIPT": str(payload.receipt),
        "PROPPY_ATTEMPT": "2",
        "PROPPY_REQUEST": "r1",
        "PROPPY_CHANNEL": "SLACK",
    }
    assert (second["PRIORITY"], third["PROPPY_REQUEST"]) == ("3", "r2")
    assert stream.getvalue() == ""


def test_what_journald_does_not_take_goes_to_its_stream(tmp_path: Path, journald_socket: Journald) -> None:
    stream = StringIO()
    with in_journal(tmp_path / "gone", stream) as handler:
        handler.handle(record_of("late\nby a minute"))
    assert stream.getvalue() == "<4>WARNING shop.handlers: late\n<4>by a minute\n"
    with in_journal(journald_socket.path, stream) as handler:
        handler.handle(record_of("x" * (8 << 20)))
    assert stream.getvalue().endswith("xxx\n"), "too large for a datagram"


def test_fields_that_cannot_be_told_lose_no_line(journald_socket: Journald) -> None:
    """Any library may set a record's `request`; a handler may change its payload."""
    stream = StringIO()
    with in_journal(journald_socket.path, stream) as handler:
        handler.handle(record_of("late", request=SimpleNamespace(META=None)))
        with handling(RawPayload(source="stripe", headers_json="[]")):
            handler.handle(record_of("failed"))
    assert stream.getvalue() == "<4>WARNING shop.handlers: late\n<4>WARNING shop.handlers: failed\n"


def test_elsewhere_nothing_changes(journald_socket: Journald) -> None:
    stream = StringIO()
    handler = JournalHandler(stream, journal_stream="1:1", journald_socket=str(journald_socket.path))
    handler.handle(record_of("late"))
    assert (stream.getvalue(), journald_socket.entries()) == ("late\n", [])


#: What a service may write to stderr: the site's log, gunicorn's, and words that nobody logs.
SERVICE: Final = """
import logging, sys, django, warnings
from gunicorn.config import Config
from proppy.web_server import Log
django.setup()
logger = logging.getLogger("shop")
logger.info("began")
logger.warning("late\\nby a minute")
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("failed")
Log(Config()).warning("worker is slow\\nindeed")
Log(Config()).error("worker is gone")
print("printed", end="", file=sys.stderr)
print(" in pieces\\n<4>or marked", file=sys.stderr)
raise SystemError("the last words")
"""


def said(folder: Path, *, journal: bool, code: str = SERVICE, **changed: str) -> list[str]:
    log = folder / "log"
    with log.open("wb") as file:
        env = settings_env(folder) | changed | {"JOURNAL_STREAM": stream_of(file.fileno()) if journal else "8:1"}
        subprocess.run([sys.executable, "-c", code], cwd=BASE_DIR, env=env, stderr=file, stdout=file, timeout=60)
    return log.read_text().splitlines()


@pytest.mark.slow
def test_in_the_journal_each_line_of_a_service_has_a_priority(tmp_path: Path) -> None:
    lines, plain = said(tmp_path, journal=True), said(tmp_path, journal=False)
    by_priority = {each: [line[3:] for line in lines if line.startswith(f"<{each}>")] for each in range(8)}
    assert [line for line in lines if not re.match("<[2-7]>", line)] == []
    assert by_priority[6] == ["INFO shop: began"]
    assert [line for line in by_priority[4] if "gunicorn" not in line][:2] == ["WARNING shop: late", "by a minute"]
    assert by_priority[4][2].endswith("worker is slow")
    assert by_priority[4][3:] == ["indeed", "or marked"]
    errors = "\n".join(by_priority[3])
    assert re.search(r"ERROR shop: failed\nTraceback(?s:.*)\nZeroDivisionError: .*\n.*worker is gone\n", errors)
    assert re.search(r"\nprinted in pieces\nTraceback(?s:.*)\nSystemError: the last words$", errors)
    assert [line for line in plain if line.startswith("<")] == ["<4>or marked"], "elsewhere nothing changes"
    assert len(plain) == len(lines)


def test_a_wrong_setting_is_an_error_in_the_journal(tmp_path: Path) -> None:
    code = "import runpy, sys; sys.argv = ['manage.py', 'check']; runpy.run_path('manage.py', run_name='__main__')"
    (line,) = said(tmp_path, journal=True, code=code, DATABASE_URL="redis://localhost")
    assert line.startswith("<3>Wrong setting: DATABASE_URL")
