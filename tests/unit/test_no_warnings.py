"""In a project of its own the engine gives no cause for a warning of Python or Django, whichever they are."""

from pathlib import Path
from typing import Final

from tests.support.small_project import SmallProject

#: MAILERS takes the place of the EMAIL_* settings from Django 6.1 on, where to read one of those is a warning.
SETTINGS: Final = """
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
NOTIFICATIONS_JOURNAL_URL = (HERE / "var" / "journal").as_uri()
"""
#: One process for all of them. A warning in a thread or in a destructor is only printed.
LIFE: Final = """
import django
from django.core.management import call_command
django.setup()
from notifications import keep
call_command("migrate", verbosity=0)
call_command("makemigrations", check=True, dry_run=True)
keep("payment", b"7 EUR")
for words in (["process_raw", "--drain"], ["follow_journal", "--drain"], ["proppy_status"], ["prune_raw"]):
    call_command(*words)
from notifications.models import RawPayload, ReportRow
print("paid", ReportRow.objects.get().count, RawPayload.objects.get().state)
from django.db import connections
connections.close_all()
"""


def test_warnings_are_errors_in_a_project(tmp_path: Path) -> None:
    project = SmallProject(tmp_path, SETTINGS)
    printed = project.python("-X", "dev", "-W", "error", "-c", LIFE)
    assert "paid 1 done" in printed.splitlines()
    assert "Warning" not in printed
    assert "Error" not in printed
