"""What is shipped for the tests of projects."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client

from notifications import GiveUp, RetryAt, errors
from notifications.handlers import payload_handlers
from notifications.middleware import reporter
from notifications.models import RawPayload, ReportRow
from notifications.process_raw.handle_payload import NoHandler
from notifications.testing import Told, handle_bytes, work_off
from tests.support.small_project import SmallProject

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]
Register = Callable[..., None]
#: The tests of a project that knows no pytest.
TEST_CASE: Final = """
from django.test import TestCase, override_settings
from notifications import emit, keep
from notifications.testing import Told, handle_bytes, work_off

class PaymentTest(TestCase):
    def test_a_handler_and_what_it_emits(self):
        with Told() as told:
            with self.captureOnCommitCallbacks(execute=True):
                handle_bytes("payment", b"7 EUR")
                keep("payment", b"8 EUR")
                self.assertEqual([payload.state for payload in work_off()], ["done"])
            self.assertEqual([event.text for event in told.events()], ["paid 7 EUR", "paid 8 EUR"])

    def test_a_setting_that_has_changed(self):
        with override_settings(NOTIFICATIONS_METRICS_INTERVAL=1, NOTIFICATIONS_STATE_DIR="/nowhere"):
            emit("REPORT", "x", on_commit=False)
"""
WITHOUT_PYTEST: Final = """
import sys
from django.core.management import execute_from_command_line
sys.modules["pytest"] = None
execute_from_command_line(["manage.py", "test", "--verbosity=0"])
"""


def test_runs_a_handler_over_bytes(on_demo: Register) -> None:
    seen: list[Any] = []

    def see(payload: RawPayload) -> None:
        seen.append((payload.body, payload.content_type, payload.headers, payload.attempts, connection.in_atomic_block))

    on_demo(see)
    payload = handle_bytes("demo", b"\0\xff", content_type="x/y", headers={"X-Kind": "new"})
    assert seen == [(b"\0\xff", "x/y", {"x-kind": "new"}, 1, True)]
    assert (payload.state, payload.attempts, payload.lease_token) == ("done", 1, None)
    assert work_off() == []


@pytest.mark.parametrize("error", [ZeroDivisionError(), GiveUp("no"), RetryAt(timedelta(1)), SystemExit(3)])
@pytest.mark.parametrize("atomic", [True, False])
def test_raises_what_the_handler_raises_and_takes_its_effects_back(
    on_demo: Register, error: BaseException, atomic: bool
) -> None:
    def fail(payload: RawPayload) -> None:
        if atomic:
            ReportRow.objects.create(name="effect", day=date(2030, 1, 1))
            raise error
        with payload.done():
            ReportRow.objects.create(name="effect", day=date(2030, 1, 1))
            raise error

    on_demo(fail, atomic=atomic)
    with pytest.raises(type(error)):
        handle_bytes("demo", b"x")
    assert not ReportRow.objects.exists()
    assert not RawPayload.objects.filter(state="done").exists()


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    with pytest.raises(errors.UnknownSource):
        handle_bytes("strpe", b"x")
    settings.NOTIFICATIONS_SOURCES = {"strpe": {}}
    assert "strpe" not in payload_handlers
    with pytest.raises(NoHandler, match='@on_payload\\("strpe"\\)'):
        handle_bytes("strpe", b"x")


def test_the_report_of_earlier_requests_is_no_event_of_a_test(client: Client) -> None:
    client.get("/nowhere/")
    told = Told()
    assert reporter.flush(20)
    assert told.events() == []
    client.get("/nowhere/")
    assert reporter.flush(20)
    assert [event.name for event in told.events()] == ["REPORT"]
    told.close()


@pytest.mark.parametrize("line", ["", "NOTIFICATIONS_JOURNAL_URL = 'auto'\n"])
def test_a_project_without_pytest_has_its_events_in_memory(tmp_path: Path, line: str) -> None:
    """Not even END, which a process writes when it ends, reaches the journal that a follower reads."""
    project = SmallProject(tmp_path, line)
    project.write("shop/tests.py", TEST_CASE)
    assert "Ran 2 tests" in project.python("-c", WITHOUT_PYTEST)
    assert not [path.name for path in project.state_dir.iterdir() if path.name.startswith("journal")]


@pytest.mark.slow
def test_a_journal_that_the_project_names_is_used_by_its_tests(tmp_path: Path) -> None:
    project = SmallProject(tmp_path, f"NOTIFICATIONS_JOURNAL_URL = '{(tmp_path / 'var' / 'named').as_uri()}'\n")
    project.write("shop/tests.py", TEST_CASE)
    project.python("-c", WITHOUT_PYTEST)
    assert list((project.state_dir / "named").iterdir())
