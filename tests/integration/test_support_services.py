"""The tests' own S3, PostgreSQL and browser, checked with the clients that the project uses."""

import os
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from playwright.sync_api import Page, ViewportSize

from tests.support.browser import DESKTOP, PHONE
from tests.support.postgres import Postgres, StopMode
from tests.support.s3 import S3Server

pytestmark = pytest.mark.services


class TestS3:
    @pytest.fixture
    def client(self, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Any:
        """A client that is told what the site is told."""
        for name, value in s3.env.items():
            monkeypatch.setenv(name, value)
        return boto3.client("s3", endpoint_url=s3.env["S3_ENDPOINT_URL"])

    def test_gives_back_the_bytes(self, s3: S3Server, client: Any) -> None:
        content = os.urandom(100_000)
        client.put_object(Bucket=s3.bucket, Key="photos/ada.png", Body=content)
        client.close()
        assert s3.keys() == ["photos/ada.png"]
        assert s3.read("photos/ada.png") == content

    def test_is_empty_at_first(self, s3: S3Server) -> None:
        assert s3.keys() == []
        with pytest.raises(ClientError, match="NoSuchKey"):
            s3.read("nothing")

    def test_checks_signatures(self, s3: S3Server) -> None:
        stranger: Any = boto3.client(
            "s3",
            endpoint_url=s3.url,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="y",
        )
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            stranger.list_objects_v2(Bucket=s3.bucket)
        stranger.close()

    def test_comes_back_where_it_was(self, s3: S3Server, client: Any) -> None:
        client.put_object(Bucket=s3.bucket, Key="kept", Body=b"1")
        s3.stop()
        with pytest.raises(EndpointConnectionError):
            client.head_bucket(Bucket=s3.bucket)
        s3.start()
        assert s3.read("kept") == b"1"
        client.close()


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

    @pytest.mark.parametrize("mode", ["fast", "immediate"])
    def test_keeps_what_was_committed(self, postgres: Postgres, postgres_url: str, mode: StopMode) -> None:
        with psycopg.connect(postgres_url) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS n")
        postgres.stop(mode)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(postgres_url)
        postgres.start()
        with psycopg.connect(postgres_url) as connection:
            assert connection.execute("SELECT n FROM t").fetchone() == (1,)

    def test_a_cluster_leaves_nothing_behind(self) -> None:
        with Postgres(fsync=False) as cluster, psycopg.connect(cluster.url) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("off",)
        assert not cluster.folder.exists()


class TestBrowser:
    @pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
    def test_opens_a_page(self, page: Page, viewport: ViewportSize, tmp_path: Path) -> None:
        html = tmp_path / "page.html"
        html.write_text("<h1>Hi</h1><script>document.title = innerWidth</script>")
        page.goto(html.as_uri())
        assert page.locator("h1").inner_text() == "Hi"
        assert page.title() == str(viewport["width"])

    @pytest.mark.django_db
    def test_the_database_may_still_be_used(self, page: Page) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
