import io
import stat
from pathlib import Path

import environ
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import override_settings

from notifications.journal import FileJournal, journal_from_url
from proppy import local
from proppy.local import quoted, write_env


def read_env(text: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """As settings.py reads a `.env`, by django-environ itself."""
    values: dict[str, str] = {}
    monkeypatch.setattr(environ.Env, "ENVIRON", values)
    environ.Env.read_env(io.StringIO(text))
    return values


def test_writes_an_env_for_its_owner_alone_and_never_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    write_env(path)
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = read_env(text, monkeypatch)
    assert lines["DEBUG"] == "true"
    assert lines["JOURNAL_URL"].startswith("file:///")
    assert len(lines["SECRET_KEY"]) >= 50
    write_env(path)
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["a b", "a#b", "a%20b", "a'b", 'a"b', "a$b\\n?c", "ü", "\udcff"])
def test_the_journal_is_found_whatever_the_name_of_the_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "BASE_DIR", tmp_path / name)
    write_env(tmp_path / ".env")
    url = read_env((tmp_path / ".env").read_text(), monkeypatch)["JOURNAL_URL"]
    journal = journal_from_url(url, tmp_path)
    assert isinstance(journal, FileJournal)
    assert journal.folder == tmp_path / name / "var" / "journal"


@pytest.mark.parametrize("value", ["", "a#b", " a b ", "'a'", '"a"', "'\"a\"'", "a\\nb\\", 'a\\"b', "a=b", "a$b", "ü"])
def test_a_value_survives_being_written_to_an_env(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_env(f"NAME={quoted(value)}\n", monkeypatch) == {"NAME": value}


@pytest.mark.django_db
def test_the_local_admin_can_sign_in_and_is_never_made_outside_debug(django_user_model: type[User]) -> None:
    with override_settings(DEBUG=False, LOCAL_ADMIN_PASSWORD="x"), pytest.raises(CommandError):
        call_command("local_admin")
    for password in ("first", "second"):
        with override_settings(DEBUG=True, LOCAL_ADMIN_PASSWORD=password):
            call_command("local_admin")
        admin = django_user_model.objects.get(username="admin")
        assert admin.is_superuser
        assert admin.check_password(password)
