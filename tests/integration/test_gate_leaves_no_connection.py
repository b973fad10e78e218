"""Real web servers end a post at the gate as one of Django's: with CONN_MAX_AGE 0 no connection is left behind."""

import os
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.child import BIN
from tests.support.processes import Name, Site
from tests.support.wait import wait_for

GUNICORN: Final = f"{BIN}/gunicorn --config=python:proppy.web_server --bind=127.0.0.1:{{port}} proppy.wsgi:application"
GRANIAN: Final = (
    f"{BIN}/granian --interface wsgi --no-ws --host 127.0.0.1 --port {{port}} --workers 1 --blocking-threads 1"
    " proppy.wsgi:application"
)
SERVERS: Final = {
    "gunicorn": GUNICORN,
    "granian": GRANIAN,
    "runserver": f"{sys.executable} manage.py runserver --noreload 127.0.0.1:{{port}}",
}


class ServedSite(Site):
    """`served_by`: the command of its web server."""

    served_by = ""

    def command(self, name: Name) -> list[str]:
        return self.served_by.format(port=self.port).split() if name == "web" else super().command(name)


@pytest.fixture(params=SERVERS)
def site(request: Any, tmp_path: Path, migrated_sqlite: Path) -> Iterator[ServedSite]:
    served = ServedSite(tmp_path)
    served.served_by = SERVERS[request.param]
    if not shutil.which(served.served_by.split()[0]):
        pytest.skip(f"{request.param} is not installed")
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "proppy.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    served.env["DJANGO_SETTINGS_MODULE"] = "tests.support.gate_brief_settings"
    yield served
    served.stop()


def open_databases(group: int) -> int:
    """How often processes of the group have the database open."""
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may be gone by now
            if os.getpgid(int(process.name)) == group:
                found += sum(os.readlink(each).endswith("proppy.sqlite3") for each in (process / "fd").iterdir())
    return found


def test_after_a_post(site: ServedSite) -> None:
    process = site.start("web")
    for _ in range(3):
        with urllib.request.urlopen(f"{site.url}/in/posted/", b"x", timeout=30) as answer:
            assert answer.status == 202
            assert "X-Request-ID" in answer.headers
    wait_for(lambda: open_databases(process.pid) == 0, message="the end of the connections")
    assert "Traceback" not in site.log("web")
