"""The id of a machine: its own, or that of its STATE_DIR, which outlives containers and their names."""

import socket
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from notifications.follow_journal.former_machine_id import settle_former_ids
from notifications.models import Loss, Position
from notifications.positions import key
from notifications.positions.key import machine_id, remember_machine_id


class Box:
    """A machine, whose /etc/machine-id and host name may change; its STATE_DIR stays."""

    def __init__(self, state: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.remembered = state / "machine-id"
        self.own = own
        self.host = "box-1"
        monkeypatch.setattr(key, "MACHINE_ID", own)
        monkeypatch.setattr(socket, "gethostname", lambda: self.host)


@pytest.fixture
def box(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    settings.NOTIFICATIONS_STATE_DIR = tmp_path / "state"
    return Box(tmp_path / "state", tmp_path / "own-id", monkeypatch)


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_without_an_id_it_keeps_its_first_name(box: Box, text: str | None) -> None:
    if text is not None:
        box.own.write_text(text)
    assert machine_id() == "box-1"
    remember_machine_id()
    box.host = "box-2"
    assert machine_id() == "box-1"
    remember_machine_id()
    assert box.remembered.read_text() == "box-1\nbox-1\n"
    assert [path.name for path in box.remembered.parent.iterdir()] == ["machine-id"]


def test_its_own_id_is_what_counts(box: Box) -> None:
    remember_machine_id()
    box.own.write_text("5cfbe9ea\n")
    assert machine_id() == "5cfbe9ea"
    remember_machine_id()
    assert box.remembered.read_text() == "5cfbe9ea\nbox-1\n"
    box.own.unlink()
    assert machine_id() == "5cfbe9ea", "it has lost it: its positions are still those"


def test_of_two_containers_that_begin_at_once_the_first_names_both(box: Box) -> None:
    def faster(source: Path, target: Path) -> None:
        target.write_text("box-0\nbox-0\n")
        raise FileExistsError

    with patch("os.link", side_effect=faster):
        remember_machine_id()
    assert machine_id() == "box-0"
    assert [path.name for path in box.remembered.parent.iterdir()] == ["machine-id"]


@pytest.mark.django_db
def test_the_next_container_goes_on_where_the_last_one_stopped(box: Box) -> None:
    """Else it would deliver all that is in the file journal once more."""
    settle_former_ids()
    columns = {"machine": machine_id(), "journal": "file:///state/journal", "channel": "SLACK"}
    position = Position.objects.create(**columns, cursor="1:4711")
    box.host = "box-2"
    settle_former_ids()
    assert Position.objects.get() == position
    assert machine_id() == position.machine
    assert not Loss.objects.exists()
