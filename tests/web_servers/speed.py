"""Requests a second, with an application that only reads the body and with the intake of the site."""

import tempfile
from pathlib import Path
from typing import Final

from tests.benchmarks import wrk
from tests.benchmarks.cores import on_core
from tests.support.processes import Site
from tests.web_servers.servers import running

BODY: Final = b"x" * 1024
SECONDS: Final = 3


def empty(name: str) -> float:
    """Of a server on one core, 8 connections, 1 kB posted. 0 where it does not answer all."""
    with tempfile.TemporaryDirectory() as folder, running(name, Path(folder, "server"), core=0) as server:
        return _rate(f"http://127.0.0.1:{server.port}/", Path(folder))


def intake(name: str) -> float:
    """The same of the site, SQLite NORMAL."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        (site.folder / "state").mkdir(mode=0o700)
        site.migrate()
        with running(name, site.folder / "server", "proppy.wsgi:application", env=site.env, core=0) as server:
            return _rate(f"http://127.0.0.1:{server.port}/in/demo/", site.folder)


def _rate(url: str, folder: Path) -> float:
    with on_core(1):
        try:
            return wrk.post(url, BODY, seconds=SECONDS, folder=folder).rate
        except RuntimeError:  # some were not answered
            return 0.0
