"""The page of one payload."""

import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from notifications.admin.lists.body_view import LIMIT
from notifications.admin.payloads import bodies
from notifications.models import RawPayload, State
from notifications.process_raw.chores.move_large_bodies import move
from tests.support.admin import LIST, TRACEBACK, listed, page, payload, staff

pytestmark = pytest.mark.django_db


def test_the_page_shows_body_headers_and_traceback(admin: Client) -> None:
    text = page(
        admin,
        payload(b'{"a":[1]}', "application/json", headers={"x-b": "2"}, error=TRACEBACK, attempts=3, state="dead"),
    )

    assert "{\n  &quot;a&quot;: [\n    1\n  ]\n}" in text
    assert "<td>2</td>" in text
    assert "3 of 16" in text
    assert "Traceback (most recent call last):\n  File &quot;handlers.py&quot;" in text


@pytest.mark.parametrize(
    ("body", "content_type", "shown"),
    [
        (b"name=%3Cscript%3E", "application/x-www-form-urlencoded", '<th scope="row">name</th><td>&lt;script&gt;</td>'),
        (
            b'--XX\r\nContent-Disposition: form-data; name="<b>"; filename="<i>"\r\n\r\n<u>\r\n--XX--',
            "multipart/form-data; boundary=XX",
            "<strong>&lt;b&gt;</strong>, file <code>&lt;i&gt;</code>",
        ),
        (b"<script>\0", "text/html", "00000000  3c 73 63 72 69 70 74 3e 00"),
        (b"", "", "The body is empty."),
    ],
)
def test_bodies_of_all_kinds(admin: Client, body: bytes, content_type: str, shown: str) -> None:
    assert shown in page(admin, payload(body, content_type))


def test_headers_that_no_text_encoding_takes_are_shown(admin: Client) -> None:
    assert "<td>a\\ud800\\u0000</td>" in page(admin, payload(headers={"x": "a\ud800\0"}))


def test_only_the_start_of_a_large_body_is_loaded(admin: Client) -> None:
    stored = payload(b"x" * LIMIT + b"the end")

    with CaptureQueriesContext(connection) as queries:
        text = page(admin, stored)

    assert "Cut: this is only its start." in text
    assert "x" * LIMIT in text
    assert "the end" not in text
    touching = [query["sql"] for query in queries if '"inline_body"' in query["sql"]]
    assert len(touching) == 1
    assert "SUBSTR" in touching[0].upper()


def test_bodies_take_a_permission_of_their_own() -> None:
    stored = payload(b"secret")
    client = staff("view_rawpayload")

    text = page(client, stored)
    assert "You may not see bodies." in text
    assert "secret" not in text
    assert "Process again" not in text
    assert client.get(f"{LIST}{stored.pk}/body/").status_code == 403


def test_the_permission_for_bodies_alone_opens_nothing() -> None:
    assert staff("view_body").get(f"{LIST}{payload().pk}/body/").status_code == 403


def test_who_may_see_bodies_sees_and_downloads_them() -> None:
    stored = payload(b"secret")
    client = staff("view_rawpayload", "view_body")

    assert "secret" in page(client, stored)
    assert client.get(f"{LIST}{stored.pk}/body/").status_code == 200


def test_the_download_is_a_file_that_no_browser_runs(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PIECE", 100)
    body = bytes(range(256)) * 2
    stored = payload(body, "text/html")

    answer: Any = admin.get(f"{LIST}{stored.pk}/body/")

    assert b"".join(answer.streaming_content) == body
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == f'attachment; filename="{stored.receipt}.bin"'
    assert answer["Content-Length"] == "512"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("pk", ["0", str(10**30)])
def test_a_download_of_nothing_is_not_found(admin: Client, pk: str) -> None:
    assert admin.get(f"{LIST}{pk}/body/").status_code == 404


def test_a_download_is_only_read(admin: Client) -> None:
    assert admin.post(f"{LIST}{payload().pk}/body/").status_code == 405


@pytest.mark.parametrize("place", ["row", pytest.param("storage", marks=pytest.mark.slow)])
def test_fifty_megabytes_are_neither_loaded_nor_walked_through(sqlite_file: Path, place: str, admin: Client) -> None:
    stored = payload(b"x" * 50_000_000, state=State.DONE, next_attempt_at=None)
    if place == "storage":
        move(stored.pk)
    admin.get(LIST)  # warms up
    tracemalloc.start()
    try:
        started = time.monotonic()
        text = page(admin, stored)
        shown = listed(admin)
        took, (_, peak) = time.monotonic() - started, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert shown == [stored.pk]
    assert "Cut: this is only its start." in text
    assert f"@{stored.receipt}.bin" in text
    assert peak < 10_000_000
    assert took < 30  # a hundred times what it takes
    assert bool(RawPayload.objects.get(pk=stored.pk).stored_as) is (place == "storage")
