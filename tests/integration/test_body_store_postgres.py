"""Large bodies on a real PostgreSQL: everything as on SQLite."""

import pytest

from tests.unit.test_body_store import TestDeleting as Deleting
from tests.unit.test_body_store import TestFailing as Failing
from tests.unit.test_body_store import TestHandling as Handling
from tests.unit.test_body_store import TestKilled as Killed
from tests.unit.test_body_store import TestMoving as Moving
from tests.unit.test_body_store import TestReading as Reading
from tests.unit.test_body_store import no_folder, use_storage

__all__ = ["no_folder", "use_storage"]

pytestmark = [
    pytest.mark.services,
    pytest.mark.xdist_group("postgres"),
    pytest.mark.usefixtures("database_url"),
]


@pytest.fixture
def database_url(postgres_database: str) -> str:
    return postgres_database


class TestDeletingThere(Deleting):
    """As on SQLite."""


class TestFailingThere(Failing):
    """As on SQLite."""


class TestHandlingThere(Handling):
    """As on SQLite."""


class TestKilledThere(Killed):
    """As on SQLite."""


class TestMovingThere(Moving):
    """As on SQLite."""


class TestReadingThere(Reading):
    """As on SQLite."""


del Deleting, Failing, Handling, Killed, Moving, Reading
