"""How far a backup or a restore has got."""

import subprocess
from pathlib import Path

import pytest

from deploy.operate import copied
from deploy.operate.copied import Copied
from deploy.operate.restore import copy_tree
from notifications.utils import progress
from tests.support.wait import wait_for


class Said:
    """What was printed so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys, self._text = capsys, ""

    def lines(self) -> list[str]:
        self._text += self._capsys.readouterr().out
        return self._text.splitlines()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """A line for each change."""
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    monkeypatch.setattr(copied, "LOOK", 0.01)
    return Said(capsys)


def test_a_file_that_a_library_writes_is_seen_to_grow(said: Said, tmp_path: Path) -> None:
    path = tmp_path / "database"
    with Copied(4096) as copied:
        copied.add(1024)
        with copied.growing(path, 3072):
            path.write_bytes(bytes(1024))
            wait_for(lambda: any(line.startswith(" 50 %") for line in said.lines()), message="half of it")
    lines = said.lines()
    assert lines[0].startswith(" 25 %  1.00k of 4.00k, ")
    assert lines[-1].startswith("100 %  4.00k of 4.00k, ")


def test_a_file_that_a_program_reads_is_seen_to_come(said: Said, tmp_path: Path) -> None:
    path = tmp_path / "database.dump"
    path.write_bytes(bytes(4096))
    with Copied(4096) as copied, copied.read(path) as file:
        subprocess.run(["head", "-c", "1024"], stdin=file, stdout=subprocess.DEVNULL, check=True)
        wait_for(lambda: any(line.startswith(" 25 %") for line in said.lines()), message="a quarter of it")
    assert said.lines()[-1].startswith("100 %  4.00k of 4.00k, ")


def test_a_folder_is_counted_while_it_is_copied(said: Said, tmp_path: Path) -> None:
    for name in ("a", "b/c"):
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_bytes(bytes(512))
    with Copied(1024) as copied:
        copy_tree(tmp_path / "from", tmp_path / "to", copied)
    assert (tmp_path / "to" / "b" / "c").read_bytes() == bytes(512)
    assert [line[:4] for line in said.lines()] == [" 50 ", "100 "]


def test_what_fails_is_not_counted_as_done(said: Said, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk"), Copied(4096) as copied, copied.growing(tmp_path / "database", 4096):
        raise OSError("disk")
    assert not any("100 %" in line for line in said.lines())
