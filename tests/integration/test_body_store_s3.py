"""Large bodies in a bucket of a real S3 server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from django.contrib.auth.models import User
from django.core.files.storage import storages
from django.core.management import call_command
from django.test import Client

from notifications.bodies import deletion_notes, storage
from notifications.bodies.storage import BodyDamaged, StorageFailed
from notifications.models import RawPayload
from notifications.process_raw.chores.move_large_bodies import delete_noted
from proppy.s3 import body_storage_options
from tests.support.bodies import BODY, move_all, moved
from tests.support.payloads import kept, make_due, states
from tests.support.processes import Site
from tests.support.s3 import S3Server
from tests.support.wait import wait_for

pytestmark = pytest.mark.services
Register = Callable[..., None]
#: Above what one request takes: in parts.
IN_PARTS = bytes(range(256)) * 40_000


@pytest.fixture
def bucket(s3: S3Server, sqlite_file: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The site's options for it, but that nobody waits ten seconds here."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    options = body_storage_options(s3.bucket, s3.url)
    options["client_config"] = options["client_config"].merge(
        Config(connect_timeout=2, read_timeout=1, retries={"total_max_attempts": 1})
    )
    raw = {"BACKEND": "proppy.body_s3.StreamingS3Storage", "OPTIONS": options}
    settings.STORAGES = settings.STORAGES | {"raw": raw}
    settings.NOTIFICATIONS_BODY_STORAGE = "raw"
    return s3


def key(payload: RawPayload) -> str:
    return f"raw/{payload.stored_as}"


def alter(s3: S3Server, payload: RawPayload, body: bytes) -> None:
    s3.client.put_object(Bucket=s3.bucket, Key=key(payload), Body=body)


def test_moved_and_read(bucket: S3Server) -> None:
    payload = moved()
    assert payload.inline_body is None
    assert bucket.keys() == [key(payload)] == [f"raw/{payload.receipt.hex[:2]}/{payload.receipt.hex}-{payload.pk}"]
    assert bucket.read(key(payload)) == payload.body == BODY


def test_a_body_that_goes_up_in_parts(bucket: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storages["raw"].transfer_config, "multipart_threshold", 5 * 1024 * 1024)  # type: ignore[attr-defined]
    payload = moved(IN_PARTS, source="photo")
    assert payload.body == IN_PARTS


def test_nobody_else_reads_it(bucket: S3Server) -> None:
    payload = moved()
    assert storage.storage().url(payload.stored_as) == f"{bucket.url}/{bucket.bucket}/{key(payload)}"  # unsigned
    assert "X-Amz" not in storage.storage().url(payload.stored_as)


def test_the_admin_shows_the_start_and_streams_the_rest(bucket: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PIECE", 100_000)
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    payload = moved(b"the start" + BODY)
    assert "74 68 65 20 73 74 61 72 74" in client.get(f"/admin/notifications/rawpayload/{payload.pk}/change/").text
    answer = client.get(f"/admin/notifications/rawpayload/{payload.pk}/body/")
    pieces = list(answer.streaming_content)  # type: ignore[attr-defined]
    assert [len(piece) for piece in pieces] == [100_000, 100_000, 62_154]
    assert b"".join(pieces) == b"the start" + BODY
    alter(bucket, payload, b"altered")
    assert client.get(f"/admin/notifications/rawpayload/{payload.pk}/body/").status_code == 404
    bucket.stop()
    assert client.get(f"/admin/notifications/rawpayload/{payload.pk}/body/").status_code == 503


def test_missing_and_altered_objects_are_found(bucket: S3Server) -> None:
    payload = moved()
    alter(bucket, payload, BODY[:-1] + b"?")
    with pytest.raises(BodyDamaged, match="its digest differs"):
        _ = payload.body
    storage.storage().delete(payload.stored_as)
    with pytest.raises(BodyDamaged, match="the storage has no"):
        _ = payload.body


@pytest.mark.parametrize("outage", ["stop", "pause"])
def test_an_outage_is_a_failed_attempt(bucket: S3Server, on_demo: Register, outage: str) -> None:
    seen: list[bytes] = []
    on_demo(lambda payload: seen.append(payload.body))
    payload = moved()
    getattr(bucket, outage)()
    with pytest.raises(StorageFailed):
        _ = payload.body
    call_command("process_raw", "--drain")
    assert (states(), seen) == (["retrying"], [])
    assert "StorageFailed" in RawPayload.objects.get().error
    {"stop": bucket.start, "pause": bucket.resume}[outage]()
    make_due()
    call_command("process_raw", "--drain")
    assert (states(), seen) == (["done"], [BODY])


@pytest.mark.parametrize("outage", ["stop", "pause"])
def test_bodies_stay_in_their_rows_during_an_outage(bucket: S3Server, on_demo: Register, outage: str) -> None:
    seen: list[bytes] = []
    on_demo(lambda payload: seen.append(payload.body))
    payload = kept(BODY)
    getattr(bucket, outage)()
    call_command("process_raw", "--drain")
    assert (states(), seen) == (["done"], [BODY])
    assert RawPayload.objects.get(pk=payload.pk).inline_body is not None
    {"stop": bucket.start, "pause": bucket.resume}[outage]()
    move_all()
    assert bucket.read(key(RawPayload.objects.get(pk=payload.pk))) == BODY


def test_a_key_that_is_wrong(bucket: S3Server, settings: Any) -> None:
    raw = settings.STORAGES["raw"]
    settings.STORAGES = settings.STORAGES | {
        "raw": raw | {"OPTIONS": raw["OPTIONS"] | {"access_key": "nobody", "secret_key": "wrong"}}
    }
    payload = kept(BODY)
    with pytest.raises(StorageFailed, match=r"ClientError|S3UploadFailedError"):
        move_all()
    assert RawPayload.objects.get(pk=payload.pk).body == BODY


def test_what_could_not_be_deleted_is_deleted_later(bucket: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = moved()
    RawPayload.objects.all().delete()
    bucket.stop()
    assert storage.delete([payload.stored_as]) == 1
    bucket.start()
    monkeypatch.setattr(deletion_notes, "PATIENCE", -1.0)
    delete_noted()
    assert bucket.keys() == []
    assert storage.delete([payload.stored_as]) == 0  # gone already


def test_the_site_moves_them_while_it_runs(s3: S3Server, site: Site) -> None:
    site.env |= s3.env
    site.migrate()
    site.start("web")
    site.start("process_raw")
    visitor = site.browse()
    body = b"message=" + b"x" * len(BODY)
    assert visitor.post("/in/contact/", body, {"Content-Type": "application/x-www-form-urlencoded"}).status < 400
    [moved_to] = wait_for(s3.keys, timeout=60)
    assert moved_to.startswith("raw/")
    assert s3.read(moved_to) == body
    assert site.terminate("process_raw") == 0
