"""What the tests of docs/your-project.md and docs/upgrading.md share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.child import BASE_DIR
from tests.support.postgres import Postgres
from tests.support.wheel import build
from tests.your_project.database import PORT, make_database
from tests.your_project.release_before import wheel_before

__all__ = ["database", "wheel", "wheel_before"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this tree."""
    return build(BASE_DIR, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment of a project with that database."""
    if request.param == "SQLite":
        yield {}
    elif port := os.environ.get(PORT):
        yield {"PGPORT": port}
    else:
        with Postgres() as cluster:
            make_database(cluster)
            yield {"PGPORT": str(cluster.port)}
