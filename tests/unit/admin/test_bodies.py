"""The admin shows and hands out bodies that are in the storage, or says why it cannot."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from notifications.admin.payloads import bodies
from notifications.bodies import storage
from notifications.models import RawPayload
from tests.support.admin import LIST, page
from tests.support.bodies import BODY, move_all, moved, stored
from tests.support.payloads import kept

pytestmark = pytest.mark.usefixtures("sqlite_file")


def download(client: Client, payload: RawPayload) -> Any:
    return client.get(f"{LIST}{payload.pk}/body/")


def lose(payload: RawPayload, state_dir: Path) -> None:
    stored(payload, state_dir).unlink()


def alter(payload: RawPayload, state_dir: Path) -> None:
    stored(payload, state_dir).write_bytes(b"altered")


def cut_off(payload: RawPayload, state_dir: Path) -> None:
    (state_dir / "bodies").rename(state_dir / "away")
    (state_dir / "bodies").write_text("no folder")


def test_the_start_of_a_body_is_shown(admin: Client) -> None:
    text = page(admin, moved(b"the start" + b"x" * len(BODY) + b"the end"))
    assert "the start" in text
    assert "the end" not in text
    assert "Cut: this is only its start." in text


def test_a_download_comes_in_pieces(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PIECE", 100_000)
    answer = download(admin, moved())
    pieces = list(answer.streaming_content)
    assert [len(piece) for piece in pieces] == [100_000, 100_000, 62_145]
    assert b"".join(pieces) == BODY
    assert (answer.status_code, answer["Content-Length"]) == (200, str(len(BODY)))


@pytest.mark.parametrize("piece", [1000, 100_000])
def test_a_body_that_is_moved_during_its_download(admin: Client, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(bodies, "PIECE", 70_000)
    monkeypatch.setattr(storage, "PIECE", piece)
    payload = kept(BODY)
    coming = iter(download(admin, payload).streaming_content)
    first = next(coming)
    move_all()
    assert RawPayload.objects.get().stored_as
    assert first + b"".join(coming) == BODY


@pytest.mark.parametrize(
    ("harm", "status", "reason"),
    [(lose, 404, "the storage has no"), (alter, 404, "its digest differs"), (cut_off, 503, "NotADirectoryError")],
)
def test_a_download_that_cannot_be_says_why(
    admin: Client, state_dir: Path, harm: Any, status: int, reason: str
) -> None:
    payload = moved()
    harm(payload, state_dir)
    answer = download(admin, payload)
    assert (answer.status_code, answer["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert answer.text.startswith("The body cannot be downloaded: ")
    assert reason in answer.text


@pytest.mark.parametrize(("harm", "reason"), [(lose, "the storage has no"), (cut_off, "NotADirectoryError")])
def test_a_page_without_its_body_says_why(admin: Client, state_dir: Path, harm: Any, reason: str) -> None:
    payload = moved()
    harm(payload, state_dir)
    text = page(admin, payload)
    assert "The body cannot be shown:" in text
    assert reason in text
    assert str(payload.receipt) in text
