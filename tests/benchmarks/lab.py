"""Where measurements run: sites of their own, services started when they are first asked for."""

import io
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from tests.support.child import BASE_DIR
from tests.support.journald import JournaldNamespace
from tests.support.postgres import Postgres
from tests.support.processes import Site

#: Seconds that one measurement may take.
LONGEST: Final = 300
#: Counts are divided by it in tests of the benchmarks.
QUICK: Final = 500


class Lab:
    """A context manager: what it has started ends with it. `quick` measures next to nothing, for tests."""

    def __init__(self, folder: Path, *, quick: bool = False) -> None:
        self._folder, self._quick = folder, quick
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def count(self, number: int) -> int:
        """How many to measure, of `number` in earnest."""
        return max(2, number // QUICK) if self._quick else number

    def rounds(self, number: int) -> int:
        """How many rounds, of `number` in earnest."""
        return 1 if self._quick else number

    def seconds(self, number: float) -> float:
        """How long to measure, of `number` in earnest."""
        return 1.0 if self._quick else number

    @cached_property
    def postgres(self) -> Postgres:
        """A PostgreSQL with fsync."""
        return self._stack.enter_context(Postgres())

    def journald(self, *, start: bool = True) -> JournaldNamespace:
        """A journald namespace; what it leaves behind is removed at the end, whoever starts it."""
        namespace = JournaldNamespace(f"proppy-bench-{uuid.uuid4().hex[:12]}")
        self._stack.callback(namespace.__exit__)
        if start:
            namespace.start()
        return namespace

    def database(self) -> str:
        """The URL of a new, empty PostgreSQL database."""
        return self.postgres.create_database(f"bench_{uuid.uuid4().hex[:12]}")

    def site(self, **env: str) -> Site:
        """A migrated site as deployed: not DEBUG, behind a proxy, SQLite NORMAL; `env` changes that."""
        folder = self._folder / uuid.uuid4().hex[:8]
        (folder / "state").mkdir(mode=0o700, parents=True)
        site = Site(folder)
        site.env |= {
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "DEBUG": "false",
            "TRUSTED_PROXIES": "127.0.0.1",
        } | env
        self._stack.callback(_end, site)
        site.migrate()
        return site

    def inside(self, site: Site, module: str, **arguments: Any) -> dict[str, float]:
        """What `tests.benchmarks.inside.MODULE` measures, in a process of the site."""
        command = [sys.executable, "-m", "tests.benchmarks.inside", module, json.dumps(arguments)]
        with subprocess.Popen(
            command,
            cwd=BASE_DIR,
            env=site.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        ) as child:
            try:
                out, errors = child.communicate(timeout=LONGEST)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
        if child.returncode:
            raise RuntimeError(f"{module} ended with {child.returncode}:\n{errors}")
        numbers: dict[str, float] = json.loads(out.splitlines()[-1])
        return numbers


@contextmanager
def on_core(number: int) -> Iterator[None]:
    """What is started in the block runs on one core, where there are two or more."""
    before = os.sched_getaffinity(0)
    if len(before) > 1:
        os.sched_setaffinity(0, {sorted(before)[number]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _end(site: Site) -> None:
    with redirect_stdout(io.StringIO()):  # it prints logs, for pytest to show
        site.stop()
