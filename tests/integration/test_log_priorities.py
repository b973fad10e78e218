"""`journalctl -p warning` shows what a service has to complain about, and nothing else, by a real journald."""

import logging
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from notifications.log import JournalHandler, handling
from notifications.models import RawPayload
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
    """The entries' texts, once the last one is there."""
    return journald.journalctl("--output=cat", "--identifier=proppy-web", *arguments).splitlines()


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


def test_lines_are_found_by_what_they_belong_to(journald: JournaldNamespace) -> None:
    """By journald's own protocol, as a service's: `journalctl PROPPY_RECEIPT=…`."""
    status = os.fstat(2)
    handler = JournalHandler(journal_stream=f"{status.st_dev}:{status.st_ino}", socket=str(journald.socket_path))
    payload = RawPayload(source="stripe", attempts=2)
    with closing(handler):
        with handling(payload):
            handler.handle(logging.LogRecord("shop", logging.ERROR, "", 0, "no price\nin it", None, None))
        handler.handle(logging.LogRecord("shop", logging.INFO, "", 0, "another", None, None))
    found = [f"PROPPY_RECEIPT={payload.receipt}", "PROPPY_SOURCE=stripe", "PROPPY_ATTEMPT=2", "LOGGER=shop"]

    def shown(*arguments: str) -> list[str]:
        return journald.journalctl("--output=cat", *arguments).splitlines()

    wait_for(lambda: shown(*found) == ["no price", "in it"], message="the entry")
    assert shown("--priority=err", "LOGGER=shop") == ["no price", "in it"]
