"""proppy_doctor beside real neighbours: journald, PostgreSQL, S3, a small disk; whole, and broken one by one."""

import json
import os
import subprocess
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections

from notifications.doctor import Finding
from proppy.s3 import body_storage_options
from tests.support.database import use_database
from tests.support.journald import JournaldNamespace
from tests.support.s3 import S3Server

Examine = Callable[[str], tuple[list[Finding], int]]


@pytest.fixture
def examine() -> Examine:
    def run(name: str) -> tuple[list[Finding], int]:
        out = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("proppy_doctor", "--only", name, "--json", stdout=out)
        found: list[dict[str, Any]] = json.loads(out.getvalue())["findings"]
        return [Finding(each["result"], each["text"], each["advice"]) for each in found], int(ended.value.code or 0)

    return run


@pytest.mark.services
@pytest.mark.usefixtures("sqlite_file")
class TestJournald:
    @pytest.fixture(autouse=True)
    def _journal(self, journald: JournaldNamespace, settings: Any) -> None:
        settings.NOTIFICATIONS_JOURNAL_URL = journald.url

    def test_an_entry_comes_back_and_no_follower_sees_it(self, examine: Examine, journald: JournaldNamespace) -> None:
        (finding,), status = examine("journal")
        assert finding.text.startswith(f"{journald.url}: an entry was written, and read back after ")
        assert status == 0
        assert "proppy_doctor" not in journald.journalctl("SYSLOG_IDENTIFIER=proppy")

    def test_it_has_ended(self, examine: Examine, journald: JournaldNamespace) -> None:
        journald.kill()
        (finding,), status = examine("journal")
        assert "takes no entry" in finding.text
        assert f"systemctl restart systemd-journald@{journald.name}.service" in finding.advice
        assert status == 2

    def test_it_is_stopped(self, examine: Examine, journald: JournaldNamespace) -> None:
        journald.pause()
        (finding,), status = examine("journal")
        journald.resume()
        assert "none can be read back" in finding.text
        assert f"systemctl status systemd-journald@{journald.name}.service" in finding.advice
        assert status == 2

    def test_another_namespace(self, examine: Examine, journald: JournaldNamespace, settings: Any) -> None:
        settings.NOTIFICATIONS_JOURNAL_URL = "journald://nosuch"
        (finding,), status = examine("journal")
        assert "there is no socket" in finding.text
        assert journald.name in finding.advice, "it is there"
        assert status == 2

    def test_a_user_who_is_not_trusted(self, examine: Examine, settings: Any) -> None:
        settings.NOTIFICATIONS_TRUSTED_UIDS = [54321]
        (finding,), status = examine("journal")
        assert f"entries of this user (uid {os.getuid()}) are not believed" in finding.text
        assert "NOTIFICATIONS_TRUSTED_UIDS" in finding.advice
        assert status == 2


@pytest.mark.services
class TestPostgreSQL:
    def test_one_that_is_safe(self, examine: Examine, postgres_database: str) -> None:
        findings, _ = examine("database")
        assert findings[-1].text.startswith("PostgreSQL ")
        assert "synchronous_commit on" in findings[-1].text
        assert examine("migrations")[1] == 0
        assert any("agrees with the database's" in each.text for each in examine("clock")[0])

    def test_settings_that_lose_commits_and_writes(self, examine: Examine, postgres_database: str) -> None:
        name = urlsplit(postgres_database).path[1:]
        for setting, text, advice in (
            ("synchronous_commit = off", "loses what was answered", "synchronous_commit = on"),
            ("default_transaction_read_only = on", "read-only", "Name the primary"),
        ):
            with psycopg.connect(postgres_database, autocommit=True) as connection:
                connection.execute("SET default_transaction_read_only = off")
                connection.execute(f"ALTER DATABASE {name} SET {setting}".encode())
            findings, _ = examine("database")
            assert any(text in each.text and advice in each.advice for each in findings), setting

    def test_one_that_is_away(self, examine: Examine, postgres_database: str) -> None:
        nowhere = urlsplit(postgres_database)._replace(netloc="proppy:geheim-database@127.0.0.1:1").geturl()
        connections["default"].close()
        with use_database(nowhere):
            findings, status = examine("database")
            migrations = examine("migrations")[0][0]
        assert (migrations.result, migrations.advice) == ("unknown", "Bring the database back first.")
        assert "cannot be used" in findings[-1].text
        assert "Start it, or mend" in findings[-1].advice
        assert not any("geheim" in each.text + each.advice for each in findings)
        assert status == 2


class Forbidding:
    """Stands before an S3 server, and answers 403 to one method."""

    def __init__(self, url: str, method: str) -> None:
        target = urlsplit(url).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.command == method:
                    status, headers, answer = 403, [], b"<Error><Code>AccessDenied</Code></Error>"
                else:
                    connection = HTTPConnection(target, timeout=10)
                    connection.request(self.command, self.path, body, dict(self.headers.items()))
                    response = connection.getresponse()
                    status, headers, answer = response.status, response.getheaders(), response.read()
                    connection.close()
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer if self.command != "HEAD" else b"")

            do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = pass_on  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        # rclone checks the signature, which has the host.
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Forbidding":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.mark.usefixtures("sqlite_file")
class TestBucket:
    @pytest.fixture
    def at(self, settings: Any, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        for name, value in s3.env.items():
            if name.startswith("AWS"):
                monkeypatch.setenv(name, value)

        def point(url: str) -> None:
            raw = {"BACKEND": "proppy.body_s3.StreamingS3Storage", "OPTIONS": body_storage_options(s3.bucket, url)}
            settings.STORAGES = settings.STORAGES | {"raw": raw}
            settings.NOTIFICATIONS_BODY_STORAGE = "raw"

        return point

    def test_it_is_left_as_it_was(self, examine: Examine, s3: S3Server, at: Callable[[str], None]) -> None:
        at(s3.url)
        (finding,), status = examine("bodies")
        assert (finding.text, status) == ("raw: an object was written, read and deleted", 0)
        assert s3.keys() == []

    @pytest.mark.parametrize(
        ("method", "right"), [("PUT", "PutObject"), ("GET", "GetObject"), ("DELETE", "DeleteObject")]
    )
    def test_a_missing_right(
        self, examine: Examine, s3: S3Server, at: Callable[[str], None], method: str, right: str
    ) -> None:
        with Forbidding(s3.url, method) as forbidding:
            at(forbidding.url)
            (finding,), status = examine("bodies")
        assert right in finding.advice, finding
        assert status == 2
        left = s3.keys()
        assert len(left) == (method == "DELETE")
        assert all(key.removeprefix("raw/") in finding.text for key in left), "to delete it by hand"

    def test_it_is_away(self, examine: Examine, s3: S3Server, at: Callable[[str], None]) -> None:
        at(s3.url)
        s3.stop()
        findings, status = examine("bodies")
        assert "cannot be written" in findings[0].text
        assert findings[0].advice.startswith("Mend its bucket, address, region or keys")
        assert status == 2


@pytest.mark.services
@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
def test_a_disk_that_is_full(examine: Examine, sqlite_file: Path, settings: Any, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)], check=True)
    try:
        settings.NOTIFICATIONS_STATE_DIR = folder
        (folder / "ballast").write_bytes(bytes(64 * 1024))
        (finding,), status = examine("state-folder")
        disks, _ = examine("disks")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    assert "takes no file: No space left on device" in finding.text
    assert "Make room" in finding.advice
    assert status == 2
    assert any(str(folder) in each.text and each.result == "FAILED" for each in disks)
