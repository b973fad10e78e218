"""Which payload a log line belongs to, and how urgent it is in the journal."""

import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

import pytest

from notifications.log import JournalFormatter, PayloadFilter, handling
from notifications.models import RawPayload
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
