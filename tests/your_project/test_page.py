"""docs/your-project.md, followed to the letter in a fresh virtual environment."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.slack import FakeSlack
from tests.support.wait import wait_for
from tests.your_project.newcomer import Newcomer
from tests.your_project.stock import Stock

pytestmark = [pytest.mark.services, pytest.mark.slow]

EMITTED: Final = "Hello from mysite"
MESSAGES: Final = ["Ada signed up", EMITTED, "Somebody posted hello"]
#: The project's interface; each database is tried with one.
INTERFACES: Final = {"SQLite": "WSGI", "PostgreSQL": "ASGI"}


def test_the_page_is_all_that_one_needs(
    database: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path, slack: FakeSlack, wheel: Path
) -> None:
    name = request.node.callspec.params["database"]
    with Stock(tmp_path, database | {"SLACK_WEBHOOK_URL": slack.webhook_url}) as project:
        reader = Newcomer(project, wheel, name, INTERFACES[name])
        reader.follow()
        wait_for(lambda: told(slack) == MESSAGES, timeout=60, message="all are in Slack")
        _printed_what_it_says(reader.printed)
        _nothing_is_left(project)
        project.run("python manage.py makemigrations --check --dry-run")
        project.stop()

        reader.start_services()
        (hello,) = [command for command in reader.printed if EMITTED in command]
        project.run(hello)
        wait_for(lambda: told(slack) == sorted([EMITTED, *MESSAGES]), timeout=60, message="the services deliver")
        project.stop()
    _verify(reader.units)


def told(slack: FakeSlack) -> list[str]:
    """The texts that Slack has."""
    return sorted(message["text"] for message in slack.messages)


def _printed_what_it_says(printed: dict[str, str]) -> None:
    post, sign_up, ready, metrics = [text for command, text in printed.items() if command.startswith("curl ")]
    assert "HTTP/1.1 202" in post
    assert '{"id": "' in post
    assert "Welcome" in sign_up
    assert "database ok\n" in ready
    assert "\nproppy_payloads{" in metrics
    assert "no issues" in printed["python manage.py check"]
    assert "Ran 2 tests" in printed["python manage.py test"]
    assert printed["python manage.py proppy_status"].startswith("ALL WELL\n")


def _nothing_is_left(project: Stock) -> None:
    status = json.loads(project.run("python manage.py proppy_status --json"))
    found = status["database"]
    assert set(found["payloads"].values()) == {0}
    assert (found["failed_deliveries"], found["losses"], found["refused"]) == (0, 0, {})
    assert status["spool"]["waiting"] == 0


def _verify(units: list[Path]) -> None:
    assert len(units) == 5
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
