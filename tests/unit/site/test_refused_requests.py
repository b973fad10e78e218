"""A request that Django refuses is one line of the log: scanners send thousands."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.child import BASE_DIR, bare_env
from tests.support.processes import settings_env

ASK = """
import django; django.setup()
from django.test import Client
client = Client(raise_request_exception=False)
print(client.{request}.status_code)
"""


def log_of(folder: Path, request: str) -> list[str]:
    """What the site's own LOGGING prints of a request that gets 400."""
    env = bare_env(folder) | settings_env(folder) | {"DJANGO_SETTINGS_MODULE": "proppy.settings", "DEBUG": "false"}
    env |= {"ALLOWED_HOSTS": "www.example.org"}
    # Without Python's own warnings: nobody has collected static files here.
    command = [sys.executable, "-W", "ignore", "-c", ASK.format(request=request)]
    done = subprocess.run(command, env=env, cwd=BASE_DIR, capture_output=True, text=True, timeout=60)
    assert done.stdout == "400\n", done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ("get('/', HTTP_HOST='203.0.113.9', secure=True)", "DisallowedHost"),
        ("get('/nowhere/', HTTP_HOST='evil.example')", "DisallowedHost"),
        (
            "post('/sign-up/', {f'f{n}': 1 for n in range(2000)}, HTTP_HOST='www.example.org', secure=True)",
            "TooManyFieldsSent",
        ),
    ],
)
def test_what_strangers_cause_at_will_is_one_line(tmp_path: Path, request_: str, name: str) -> None:
    (line,) = log_of(tmp_path, request_)
    assert f"django.security.{name}: " in line
