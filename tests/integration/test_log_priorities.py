"""`journalctl -p warning` shows what a service has to complain about, and nothing else, by a real journald."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.child import BASE_DIR, BIN
from tests.support.journald import JournaldNamespace
from tests.support.processes import settings_env
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

TALKS = """
import django, logging
django.setup()
logger = logging.getLogger("shop")
logger.info("nothing to see")
logger.warning("look here\\n<7>and here")
print("a receipt")
1 / 0
"""


def shown(journald: JournaldNamespace, *arguments: str) -> list[str]:
    """The texts of what was printed, and of what was logged: without a unit that has the program's name."""
    names = ("--identifier=proppy-web", "--identifier=-c")
    return journald.journalctl("--output=cat", *names, *arguments).splitlines()


def run(journald: JournaldNamespace, folder: Path, command: list[str], **changed: str) -> None:
    with journald.stream("proppy-web") as (descriptor, name):
        env = settings_env(folder) | changed | {"JOURNAL_STREAM": name}
        subprocess.run(command, cwd=BASE_DIR, env=env, stdout=descriptor, stderr=descriptor, timeout=60)


def test_warnings_and_errors_are_found_by_their_priority(journald: JournaldNamespace, tmp_path: Path) -> None:
    run(journald, tmp_path, [sys.executable, "-c", TALKS])
    wait_for(lambda: any("ZeroDivisionError" in line for line in shown(journald)), message="its last words")
    warnings = shown(journald, "--priority=4..4")
    assert warnings == ["WARNING shop: look here", "<7>and here"], "no text chooses its own priority"
    errors = shown(journald, "--priority=err")
    assert errors[0].startswith("Traceback")
    assert errors[-1] == "ZeroDivisionError: division by zero"
    assert shown(journald, "--priority=5..7") == ["INFO shop: nothing to see", "a receipt"]


def test_a_web_server_that_cannot_start_is_an_error(journald: JournaldNamespace, tmp_path: Path) -> None:
    gunicorn = [str(BIN / "gunicorn"), "--config=python:proppy.web_server", "--bind=127.0.0.1:0"]
    run(journald, tmp_path, [*gunicorn, "proppy.wsgi:application"], DATABASE_URL="redis://x")
    wait_for(lambda: any("Shutting down" in line for line in shown(journald)), message="its last words")
    errors = shown(journald, "--priority=err")
    assert any("Wrong setting: DATABASE_URL: write" in line for line in errors)
    assert shown(journald, "--priority=5..7") == []


HANDLES = """
import django, logging
django.setup()
from notifications.log import handling
from notifications.models import RawPayload
with handling(RawPayload(source="stripe", attempts=2, receipt="0a3c8e9e-7d0f-4d2b-9d0e-0a1b6c2f4f57")):
    logging.getLogger("shop").error("no price\\nin it")
logging.getLogger("shop").info("another")
"""


def test_lines_are_found_by_what_they_belong_to(journald: JournaldNamespace, tmp_path: Path) -> None:
    """By the protocol of the journald whose stream stderr is."""
    run(journald, tmp_path, [sys.executable, "-c", HANDLES], RELEASE="1.4.0")
    fields = ["PROPPY_RECEIPT=0a3c8e9e-7d0f-4d2b-9d0e-0a1b6c2f4f57", "PROPPY_SOURCE=stripe", "PROPPY_ATTEMPT=2"]

    def found(*arguments: str) -> list[str]:
        return journald.journalctl("--output=cat", *arguments).splitlines()

    name = "ERROR shop [stripe 0a3c8e9e-7d0f-4d2b-9d0e-0a1b6c2f4f57 attempt 2]: no price"
    wait_for(lambda: found(*fields, "LOGGER=shop") == [name, "in it"], message="the entry")
    assert len(found("PROPPY_RELEASE=1.4.0")) == 3
    assert found("SYSLOG_IDENTIFIER=proppy") == [], "no event"
