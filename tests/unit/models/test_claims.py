"""Claims and transitions, on SQLite; tests/integration/test_postgres_keep.py has them on PostgreSQL."""

import pytest

from tests.contracts.claims import PayloadCases

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]


class TestPayloads(PayloadCases):
    """On SQLite."""
