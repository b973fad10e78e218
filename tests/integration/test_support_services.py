"""The tests' own S3, PostgreSQL and browser, checked with the clients that the project uses."""

import psycopg
import pytest
from playwright.sync_api import Page

from tests.support.postgres import Postgres

pytestmark = pytest.mark.services


class TestPostgres:
    def test_each_test_has_an_empty_database(self, postgres_url: str) -> None:
        with psycopg.connect(postgres_url) as connection:
            count = connection.execute("SELECT count(*) FROM pg_stat_user_tables").fetchone()
            connection.execute("CREATE TABLE t (n int)")
        assert count == (0,)

    def test_fsync_is_on_unless_said_otherwise(self, postgres: Postgres) -> None:
        with psycopg.connect(postgres.url) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)

    def test_the_unix_socket(self, postgres: Postgres) -> None:
        with psycopg.connect(postgres.url, host=str(postgres.folder)) as connection:
            assert connection.execute("SELECT inet_client_addr()").fetchone() == (None,)

    def test_a_cluster_leaves_nothing_behind(self) -> None:
        with Postgres(fsync=False) as cluster, psycopg.connect(cluster.url) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("off",)
        assert not cluster.folder.exists()


class TestBrowser:
    @pytest.mark.django_db
    def test_the_database_may_still_be_used(self, page: Page) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
