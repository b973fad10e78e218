import stat
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import override_settings

from proppy.local import write_env


def test_writes_an_env_for_its_owner_alone_and_never_twice(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    write_env(path)
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines["DEBUG"] == "true"
    assert lines["JOURNAL_URL"].startswith("file:///")
    assert len(lines["SECRET_KEY"]) >= 50
    write_env(path)
    assert path.read_text() == text


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
