"""Handlers and channels whose children outlive their worker: real processes, which keep none of its locks."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from notifications.utils.file_locks import EXISTING, release, take_lock
from tests.support.child import BASE_DIR, Process
from tests.support.processes import Name, Site
from tests.support.wait import wait_for

pytestmark = pytest.mark.slow
SOON: Final = 60.0
SETTINGS: Final = """
from proppy.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "lingers"]
NOTIFICATIONS_SOURCES = {**NOTIFICATIONS_SOURCES, "lingers": {}}
"""
HANDLERS: Final = """
import multiprocessing, os, signal, subprocess
from notifications import on_event, on_payload

@on_event("LINGERS")
@on_payload("lingers", atomic=False)
def linger(_):
    if not os.fork():
        signal.pause()
    multiprocessing.get_context("fork").Process(target=signal.pause).start()
    subprocess.Popen(["sleep", "600"], close_fds=False)
"""
STARTS: Final = {
    "process_raw": "from notifications import keep; keep('lingers', b'x')",
    "follow_journal": "from notifications import emit; emit('LINGERS', 'x')",
}


@pytest.fixture
def lingering(site: Site) -> Iterator[Site]:
    site.migrate()
    app = site.folder / "code" / "lingers"
    app.mkdir(parents=True)
    (app / "__init__.py").touch()
    (app / "handlers.py").write_text(HANDLERS)
    (app.parent / "lingers_settings.py").write_text(SETTINGS)
    site.env |= {"DJANGO_SETTINGS_MODULE": "lingers_settings", "PYTHONPATH": f"{app.parent}:{BASE_DIR}"}
    yield site
    site.stop()


def children_of(process: Process) -> list[int]:
    """Those of all its threads."""
    found = []
    for path in Path(f"/proc/{process.pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(each) for each in path.read_text().split()]
    return found


def held(state: Path) -> set[str]:
    """The files below that somebody has locked."""
    found = set()
    for path in [path for name in ("locks", "heartbeats", "workers") for path in (state / name).glob("*")]:
        try:
            release(take_lock(path, EXISTING))
        except BlockingIOError:
            found.add(path.parent.name)
    return found


@pytest.mark.parametrize(
    ("name", "locked"),
    [("process_raw", {"locks", "heartbeats", "workers"}), ("follow_journal", {"locks", "heartbeats"})],
)
def test_a_killed_worker_holds_nothing_though_its_children_live(lingering: Site, name: Name, locked: set[str]) -> None:
    state = lingering.folder / "state"
    process = lingering.start(name)
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", STARTS[name]]
    subprocess.run(command, env=lingering.env, cwd=BASE_DIR, check=True)
    children = wait_for(lambda: found if len(found := children_of(process)) >= 3 else [], timeout=SOON)
    assert held(state) == locked
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not process.alive)
    try:
        # A child that was forked a moment ago has not closed or executed yet.
        wait_for(lambda: held(state) == set(), timeout=SOON)
        assert all(Path(f"/proc/{child}").exists() for child in children)
        successor = lingering.start(name)
        wait_for(lambda: held(state) == locked, timeout=SOON)
        assert "followed already" not in successor.log
    finally:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
