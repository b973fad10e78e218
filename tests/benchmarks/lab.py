"""Where measurements run: sites of their own, services started when they are first asked for."""

import io
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from tests.benchmarks.conditions import Conditions
from tests.benchmarks.slow_fsync import slow_fsync
from tests.support.child import BASE_DIR
from tests.support.journald import JournaldNamespace
from tests.support.postgres import Postgres
from tests.support.processes import Site
from tests.support.stock_project import StockProject

#: Seconds that one measurement may take.
LONGEST: Final = 300
#: Counts are divided by it in tests of the benchmarks.
QUICK: Final = 500
#: Rows that one process adds: it may take so long.
AT_ONCE: Final = 1_000_000


class Lab:
    """A context manager: what it has started ends with it. `quick` measures next to nothing, for tests."""

    def __init__(
        self, folder: Path, *, quick: bool = False, rounds: int = 5, conditions: Conditions | None = None
    ) -> None:
        self.folder, self._quick = folder, quick
        self.rounds = 1 if quick else rounds
        self.conditions = conditions or Conditions()
        self._stack = ExitStack()
        self._filled: dict[tuple[str, int], Site] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def count(self, number: int) -> int:
        """How many to measure, of `number` in earnest."""
        return max(2, number // QUICK) if self._quick else number

    @property
    def rows(self) -> int:
        """How many finished payloads each site and project has."""
        return self.count(self.conditions.rows) if self.conditions.rows else 0

    def seconds(self, number: float) -> float:
        """How long to measure, of `number` in earnest."""
        return 1.0 if self._quick else number

    @cached_property
    def postgres(self) -> Postgres:
        """A PostgreSQL with fsync."""
        return self._stack.enter_context(Postgres(env=self.slow_disk()))

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
        site = Site(self.new_folder())
        (site.folder / "state").mkdir(mode=0o700)
        site.env |= {
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "BENCH_SOURCES": str(self.conditions.sources),
            "DEBUG": "false",
            "TRUSTED_PROXIES": "127.0.0.1",
        } | env
        self._stack.callback(_end, site)
        site.migrate()
        self.fill(site, self.rows)
        site.env |= self.slow_disk() | env
        return site

    def filled(self, database: str, finished: int) -> Site:
        """The site with so many finished payloads on "SQLite" or "PostgreSQL": one for all that ask."""
        key = database, finished
        if key not in self._filled:
            self._filled[key] = self.site(**({} if database == "SQLite" else {"DATABASE_URL": self.database()}))
            self.fill(self._filled[key], self.count(finished))
        return self._filled[key]

    def fill(self, site: Site | StockProject, finished: int) -> None:
        """Add so many finished payloads."""
        for start in range(0, finished, AT_ONCE):
            self.inside(site, "fill", count=min(AT_ONCE, finished - start), state="done")

    def new_folder(self) -> Path:
        """An empty one."""
        folder = self.folder / uuid.uuid4().hex[:8]
        folder.mkdir()
        return folder

    def at_end(self, end: Callable[[], object]) -> None:
        """Call it when this ends."""
        self._stack.callback(end)

    def slow_disk(self) -> dict[str, str]:
        """The environment of processes if this run has one."""
        return slow_fsync(self.folder, self.conditions.fsync_ms) if self.conditions.fsync_ms else {}

    def inside(self, site: Site | StockProject, module: str, **arguments: Any) -> dict[str, Any]:
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
        numbers: dict[str, Any] = json.loads(out.splitlines()[-1])
        return numbers


def _end(site: Site) -> None:
    with redirect_stdout(io.StringIO()):  # it prints logs, for pytest to show
        site.stop()
