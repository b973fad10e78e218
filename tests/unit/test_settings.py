"""A bad setting is named, with what to write instead, by a real `manage.py check` with that environment."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.child import BASE_DIR, bare_env
from tests.support.processes import settings_env


def check(folder: Path, *arguments: str, **changed: str) -> str:
    env = bare_env(folder) | settings_env(folder) | changed
    command = [sys.executable, "manage.py", "check", *arguments]
    done = subprocess.run(command, env=env, cwd=BASE_DIR, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("SECRET_KEY", "", "secrets.token_urlsafe(50)"),
        ("DATABASE_URL", "redis://localhost", "postgres://user:password@host/name"),
        ("SQLITE_SYNCHRONOUS", "FUL", "Write FULL"),
        ("STATE_DIR", "/proc/nowhere", "a folder that this user owns"),
        ("JOURNAL_URL", "redis://", "journald://NAMESPACE"),
        ("RAW_MAX_BODY_BYTES", "10M", "such as 10485760"),
        ("TRUSTED_PROXIES", "nginx", "127.0.0.1,10.0.0.0/8"),
        ("S3_ENDPOINT_URL", "localhost:9000", "https://"),
        ("SLACK_API_URL", "slack.example.org", "https://"),
        ("SLACK_TOKEN", "my-token", "xoxb-"),
        ("EMAIL_URL", "mailto://x", "EMAIL_URL"),
    ],
)
def test_names_it_and_says_what_to_write(tmp_path: Path, name: str, value: str, advice: str) -> None:
    said = check(tmp_path, **{name: value})
    assert name in said
    assert advice in said


def test_the_defaults_are_fit_for_the_outside(tmp_path: Path) -> None:
    said = check(
        tmp_path, "--deploy", DEBUG="", ALLOWED_HOSTS="example.org", SECRET_KEY="".join(map(chr, range(48, 123)))
    )
    assert "no issues" in said
