from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from notifications.journal import JournaldJournal
from tests.support.child import Process
from tests.support.journald import JournaldNamespace
from tests.support.postgres import Postgres
from tests.support.processes import Site


@pytest.fixture
def links(tmp_path: Path) -> Path:
    return tmp_path / "journald"


@pytest.fixture
def journal(journald: JournaldNamespace, links: Path) -> Iterator[JournaldJournal]:
    """The journal of a real journald."""
    opened = JournaldJournal(journald.name, links=links)
    yield opened
    opened.close()


@pytest.fixture
def own() -> Iterator[Postgres]:
    """A server of the test's own, to stop."""
    with Postgres(fsync=False) as own:
        yield own


@pytest.fixture
def start(site: Site) -> Iterator[Callable[..., Process]]:
    """Starts commands with the site's environment, and what is named besides; kills what still runs."""
    started: list[Process] = []

    def run(*command: str, **env: str) -> Process:
        started.append(Process(command, env=site.env | env, log=site.folder / f"{len(started)}.log"))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        print(process.log)
