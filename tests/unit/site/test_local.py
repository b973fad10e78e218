import fcntl
import io
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import environ
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import override_settings

from notifications.journal import FileJournal, journal_from_url
from proppy import local
from proppy.local import check_address, check_free, lock, quoted, write_env


def read_env(text: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """As settings.py reads a `.env`, by django-environ itself."""
    values: dict[str, str] = {}
    monkeypatch.setattr(environ.Env, "ENVIRON", values)
    environ.Env.read_env(io.StringIO(text))
    return values


def test_writes_an_env_for_its_owner_alone_and_never_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    write_env(path)
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = read_env(text, monkeypatch)
    assert lines["DEBUG"] == "true"
    assert lines["JOURNAL_URL"].startswith("file:///")
    assert len(lines["SECRET_KEY"]) >= 50
    write_env(path)
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["a b", "a#b", "a%20b", "a'b", 'a"b', "a$b\\n?c", "ü", "\udcff"])
def test_the_journal_is_found_whatever_the_name_of_the_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "BASE_DIR", tmp_path / name)
    write_env(tmp_path / ".env")
    url = read_env((tmp_path / ".env").read_text(), monkeypatch)["JOURNAL_URL"]
    journal = journal_from_url(url, tmp_path)
    assert isinstance(journal, FileJournal)
    assert journal.folder == tmp_path / name / "var" / "journal"


@pytest.mark.parametrize("value", ["", "a#b", " a b ", "'a'", '"a"', "'\"a\"'", "a\\nb\\", 'a\\"b', "a=b", "a$b", "ü"])
def test_a_value_survives_being_written_to_an_env(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_env(f"NAME={quoted(value)}\n", monkeypatch) == {"NAME": value}


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of 127.0.0.1 on which a server listens that would share it, as some do."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_that_is_taken_ends_it_before_anything_is_written(
    taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local, "BASE_DIR", tmp_path)
    monkeypatch.setattr(local, "ENV_FILE", tmp_path / ".env")
    monkeypatch.setattr(local, "lock", lambda folder: None)  # which would last as long as this process
    monkeypatch.setenv("HOST", "127.0.0.1")
    monkeypatch.setenv("PORT", str(taken))
    with pytest.raises(SystemExit, match=rf"^Port {taken} is in use: .*: PORT=\d+ make run$"):
        local.main()
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_the_port_that_it_names_instead_is_free(taken: int) -> None:
    with pytest.raises(SystemExit) as exit_:
        check_free("127.0.0.1", taken)
    other = int(str(exit_.value).rpartition("PORT=")[2].split()[0])
    assert other != taken
    assert local.listen_error("127.0.0.1", other) is None


def test_an_address_of_another_machine_is_said_to_be_one() -> None:
    with pytest.raises(SystemExit, match=r"^Cannot listen on 192\.0\.2\.1, port 8000 \("):  # RFC 5737
        check_free("192.0.2.1", 8000)


@pytest.mark.parametrize("port", ["", "abc", "80a", "-1", "0", "65536", "٣", "9" * 5000, " 8000"])
def test_a_port_that_is_none_says_what_to_write(port: str) -> None:
    with pytest.raises(SystemExit, match=r"^PORT is .*: write a number from 1 to 65535"):
        check_address("127.0.0.1", port)


@pytest.mark.parametrize("host", ["", "localhost", "127.0.0.1:80"])
def test_a_host_that_is_no_address_says_what_to_write(host: str) -> None:
    with pytest.raises(SystemExit, match=r"^HOST is .*: write an IP address"):
        check_address(host, "8000")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_addresses_are_taken(host: str) -> None:
    check_address(host, "65535")


def test_a_folder_is_run_once_at_a_time(tmp_path: Path) -> None:
    before = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(before, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match=r"^Another make run of this folder is running: stop it first"):
            lock(tmp_path)
    finally:
        os.close(before)


def test_the_lock_is_left_to_the_process_runner(tmp_path: Path) -> None:
    descriptor = lock(tmp_path)
    try:
        assert os.get_inheritable(descriptor)
        with pytest.raises(SystemExit):
            lock(tmp_path)
    finally:
        os.close(descriptor)
    os.close(lock(tmp_path))


@pytest.mark.django_db
def test_the_local_admin_can_sign_in_and_is_never_made_outside_debug(django_user_model: type[User]) -> None:
    with override_settings(DEBUG=False, LOCAL_ADMIN_PASSWORD="x"), pytest.raises(CommandError):
        call_command("local_admin")
    for password in ("first", "second"):
        with override_settings(DEBUG=True, LOCAL_ADMIN_PASSWORD=password):
            call_command("local_admin")
        admin = django_user_model.objects.get(username="admin")
        assert admin.is_superuser
        assert admin.check_password(password)
