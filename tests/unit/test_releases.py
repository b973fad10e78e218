"""What deploy/install and deploy/rollback decide; tests/system runs them."""

import subprocess
from pathlib import Path

import pytest

from deploy.operate import release, rollback, sandbox
from deploy.operate.machine import Failed, Machine
from tests.support.child import BASE_DIR


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("manage.py", "app/__pycache__/x.pyc", ".env", "var/secret", ".venv/x", "app/code.py", ".env.example"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_data_and_secrets_of_a_checkout_are_no_release(source: Path) -> None:
    assert release.source_files(source) == [Path(name) for name in (".env.example", "app/code.py", "manage.py")]


def test_git_says_what_is_code(source: Path) -> None:
    (source / ".gitignore").write_text(".env\nvar\n.venv\n__pycache__\n")
    subprocess.run(["git", "init", "-q"], cwd=source, check=True)
    names = [".env.example", ".gitignore", "app/code.py", "manage.py"]
    assert release.source_files(source) == [Path(name) for name in names]


def test_the_name_changes_with_the_content(source: Path) -> None:
    files = release.source_files(source)
    before = release.content_hash(source, files)
    assert release.content_hash(source, files) == before
    (source / "manage.py").write_text("other")
    assert release.content_hash(source, files) != before


def test_roll_back_chooses_the_one_before(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("1", "2", "3"))
    there = [one, two, three]
    assert rollback.choose(there, three, None) == two
    assert rollback.choose(there, two, None) == one
    assert rollback.choose(there, one, "3") == three
    with pytest.raises(Failed, match="no release before 1"):
        rollback.choose(there, one, None)
    with pytest.raises(Failed, match=r"no release '4'. There are: 1, 2, 3"):
        rollback.choose(there, one, "4")


def test_roll_back_names_newer_migrations(tmp_path: Path) -> None:
    for path in ("old/app/migrations/0001_a.py", "new/app/migrations/0001_a.py", "new/app/migrations/0002_b.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert rollback.newer_migrations(tmp_path / "old", tmp_path / "new") == ["app/0002_b"]
    assert rollback.newer_migrations(tmp_path / "new", tmp_path / "old") == []


def test_a_command_has_the_services_sandbox() -> None:
    words = sandbox.manage(BASE_DIR, "check", "--deploy")
    for setting in ("User=proppy", "ProtectSystem=strict", "LoadCredential=proppy:/etc/proppy/credentials"):
        assert f"--property={setting}" in words
    assert words[words.index("--") :] == ["--", f"{BASE_DIR}/deploy/run", "python", "manage.py", "check", "--deploy"]
    assert not any("After=" in word for word in words)


def test_a_dry_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = Machine(dry_run=True)
    machine.folder(tmp_path / "folder", 0o700)
    machine.write(tmp_path / "file", b"content")
    machine.link(tmp_path / "link", tmp_path)
    machine.run(["touch", tmp_path / "touched"])
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out.count("would ") == 4


def test_a_link_moves_at_once_and_a_file_is_whole(tmp_path: Path) -> None:
    machine = Machine()
    for target in (tmp_path / "a", tmp_path / "b"):
        machine.link(tmp_path / "link", target)
        assert (tmp_path / "link").readlink() == target
    assert machine.write(tmp_path / "file", b"content", 0o600)
    assert not machine.write(tmp_path / "file", b"content", 0o600)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"link", "file"}


def test_a_program_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"sh -c echo why; exit 3: exit status 3\nwhy"):
        Machine().run(["sh", "-c", "echo why; exit 3"])
