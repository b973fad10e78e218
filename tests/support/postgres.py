"""A private PostgreSQL cluster, made from the programs of Debian's package postgresql."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg
import pytest
from psycopg import sql

from tests.support.ports import free_port

StopMode = Literal["smart", "fast", "immediate"]


class Postgres:
    """A cluster of its own, on a Unix socket in `folder` and a port of 127.0.0.1; `with Postgres() as pg:`.

    fsync is on unless said otherwise, so that what is measured holds elsewhere. Root starts it as `postgres`.
    `standby_of` makes it a hot standby of another, which takes no writes before `promote()`. `env`: of its processes.
    """

    def __init__(
        self, *, fsync: bool = True, standby_of: "Postgres | None" = None, env: Mapping[str, str] | None = None
    ) -> None:
        self._bin = _programs()
        self._user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        # Not below pytest's folder, which other users may not enter; and short, for the socket's path.
        self.folder = Path(tempfile.mkdtemp(prefix="proppy-pg-"))
        self.port = free_port()
        self._primary = standby_of
        self._fsync = "on" if fsync else "off"
        self._env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **(env or {})}

    def __enter__(self) -> "Postgres":
        if os.getuid() == 0:
            shutil.chown(self.folder, self._user)
        if self._primary is None:
            self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        else:
            where = ["--host=127.0.0.1", f"--port={self._primary.port}", "--username=postgres"]
            self._run("pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "--no-sync", *where)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder)

    @property
    def url(self) -> str:
        """The address of the database `postgres`."""
        return self._address("postgres")

    def start(self) -> None:
        """Start it; connections are accepted when this returns."""
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1 -c fsync={self._fsync}"
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder / 'log'}", f"--options={options}")

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it: "smart" waits for its clients, "fast" throws them out, "immediate" is a crash."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start it, at the same address."""
        self.stop(mode)
        self.start()

    def promote(self) -> None:
        """Make a standby take writes."""
        self._run("pg_ctl", "promote", "--wait")

    def configure(self, name: str, value: str) -> None:
        """Change a setting that needs no restart, for the sessions that there are as well."""
        self._execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        self._execute(sql.SQL("SELECT pg_reload_conf()").format())

    @contextmanager
    def paused(self) -> Iterator[None]:
        """SIGSTOP to all of its processes: it takes what is sent and never answers."""
        main = (self.folder / "data" / "postmaster.pid").read_text().split()[0]
        stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
        children = [stat.split()[0] for stat in stats if stat.rpartition(")")[2].split()[1] == main]
        pids = [int(main), *map(int, children)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)

    def create_database(self, name: str) -> str:
        """Make an empty database; its address."""
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._address(name)

    def drop_database(self, name: str) -> None:
        """Drop the database and throw its clients out."""
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _address(self, database: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program: str, *arguments: str) -> None:
        # An environment from nothing: PGPORT and its like would win over what is said here.
        done = subprocess.run(
            [self._bin / program, f"--pgdata={self.folder / 'data'}", *arguments],
            user=self._user if os.getuid() == 0 else None,
            group=pwd.getpwnam(self._user).pw_gid if os.getuid() == 0 else None,
            extra_groups=[] if os.getuid() == 0 else None,
            env=self._env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            log = self.folder / "log"
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}{log.read_text() if log.exists() else ''}")


def _programs() -> Path:
    """The folder of initdb and pg_ctl: the newest of Debian's, else what PATH finds."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        pytest.fail("no PostgreSQL here: apt-get install postgresql (tests/install-services)")
    return found[-1].parent if found else Path(str(on_path)).parent


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The address of a new, empty database."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgres.create_database(name)
    postgres.drop_database(name)
