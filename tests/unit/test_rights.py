"""Files of others, folders that cannot be written or looked into: what the rights of files forbid costs no payload.

They do not bind root, for whom these tests are skipped. `.ci/run` runs them as an ordinary user.
"""

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from notifications import keep
from notifications.bodies.storage import StorageFailed
from notifications.conf import STATE_NAMES
from notifications.errors import NowhereToStore
from notifications.journal import FileJournal
from notifications.journal.auto import chooses_journald
from notifications.journal.file.files import path_of
from notifications.models import RawPayload
from notifications.positions.key import Key
from notifications.positions.lock import Holder, Lock, holder
from notifications.positions.lock import path_of as lock_of
from notifications.store.database_breaker import breaker
from notifications.store.spool import spool
from notifications.store.spool_import import import_spool
from notifications.wsgi import get_wsgi_application
from tests.support.bodies import BODY, moved, stored
from tests.support.child import BASE_DIR
from tests.support.journals import messages, read_all

pytestmark = [
    pytest.mark.skipif(os.getuid() == 0, reason="root may do anything"),
    pytest.mark.usefixtures("sqlite_file", "state_dir"),
]

#: Rights that are left.
NONE: Final = 0
LOOK: Final = 0o500


class Rights:
    """Removes rights to files and folders, and restores them."""

    def __init__(self) -> None:
        self._before: dict[Path, int] = {}

    def take(self, path: Path, *, left: int = NONE) -> None:
        self._before[path] = path.stat().st_mode
        path.chmod(left)

    def give_back(self) -> None:
        while self._before:
            path, mode = self._before.popitem()
            if path.exists():
                path.chmod(mode)


@pytest.fixture
def rights() -> Iterator[Rights]:
    taken = Rights()
    yield taken
    taken.give_back()  # or nobody could tidy up


def in_spool(*bodies: bytes) -> list[Path]:
    """Payloads that wait in the spool, oldest first."""
    breaker.open()
    for body in bodies:
        keep("photo", body)
    breaker.close()
    return spool().waiting()


def post() -> tuple[int, bool]:
    """Status, and whether it says when to come back."""
    answer = Client().generic("POST", "/in/demo/", b"x")
    return answer.status_code, "Retry-After" in answer


class TestSpool:
    def test_a_file_that_cannot_be_read_is_kept_and_holds_up_no_other(self, rights: Rights) -> None:
        foreign, _ = in_spool(b"1", b"2")
        whole = foreign.read_bytes()
        rights.take(foreign)
        assert import_spool() == 2
        assert [bytes(payload.body) for payload in RawPayload.objects.all()] == [b"2"]
        (aside,) = spool().folder.glob(f"{foreign.name}.*.unreadable")
        aside.chmod(0o600)
        assert aside.read_bytes() == whole

    def test_what_cannot_be_unlinked_is_handled_once(self, rights: Rights) -> None:
        in_spool(b"1", b"2")
        rights.take(spool().folder, left=LOOK)
        for _ in range(2):
            call_command("process_raw", drain=True)
            assert sorted(RawPayload.objects.values_list("state", "attempts")) == [("done", 1)] * 2
        rights.give_back()
        call_command("process_raw", drain=True)
        assert (RawPayload.objects.count(), spool().waiting()) == (2, [])

    def test_a_folder_that_cannot_be_listed_holds_up_nothing_in_the_database(self, rights: Rights) -> None:
        in_spool(b"waits")
        keep("photo", b"x")
        rights.take(spool().folder)
        call_command("process_raw", drain=True)
        assert [bytes(payload.body) for payload in RawPayload.objects.all()] == [b"x"]
        assert keep("photo", b"y", key="1") == RawPayload.objects.get(idempotency_key="1").receipt
        rights.give_back()
        call_command("process_raw", drain=True)
        assert RawPayload.objects.count() == 3

    def test_the_status_says_whose_it_is_and_goes_on(self, rights: Rights, capsys: pytest.CaptureFixture[str]) -> None:
        in_spool(b"waits")
        rights.take(spool().folder)
        call_command("proppy_status")
        text = capsys.readouterr().out
        assert f"Spool: cannot be read. {spool().folder} belongs to " in text
        assert "Payloads\n" in text
        assert "proppy_spool_up 0\n" in Client().get("/metrics").text

    def test_one_that_cannot_be_written_is_503_while_the_database_is_away(self, rights: Rights) -> None:
        in_spool(b"1")
        rights.take(spool().folder, left=LOOK)
        breaker.open()
        assert post() == (503, True)
        with pytest.raises(NowhereToStore):
            keep("photo", b"x")
        assert "spool away" in Client().get("/readyz").content.decode()
        breaker.close()
        assert post() == (202, False)


def test_a_state_directory_that_cannot_be_written_is_no_reason_to_refuse(state_dir: Path, rights: Rights) -> None:
    rights.take(state_dir, left=LOOK)
    assert post() == (202, False)
    assert RawPayload.objects.count() == 1


class TestStateDir:
    """A state directory that was made under another user, or has been by a command: each says which path, and what to
    do; the site goes on."""

    @pytest.mark.parametrize("left", [NONE, LOOK])
    @pytest.mark.parametrize("name", ["", "spool", "locks", "workers", "wake", "journal", "alerts", "bodies"])
    def test_the_check_names_it(self, state_dir: Path, rights: Rights, name: str, *, left: int) -> None:
        (state_dir / name).mkdir(exist_ok=True)
        rights.take(state_dir / name, left=left)
        (error,) = [message for message in run_checks() if message.id == "notifications.E018"]
        assert error.msg.startswith(f"NOTIFICATIONS_STATE_DIR: {state_dir / name}".rstrip("/") + " belongs to ")
        assert error.msg.endswith(f": chmod -R u+rwX {state_dir / name}".rstrip("/"))

    @pytest.mark.parametrize("left", [NONE, LOOK])
    @pytest.mark.parametrize(
        ("command", "name"),
        [("follow_journal", ""), ("follow_journal", "locks"), ("process_raw", ""), ("process_raw", "workers")],
    )
    def test_a_worker_that_cannot_run_says_so_in_one_line(
        self, state_dir: Path, rights: Rights, command: str, name: str, *, left: int
    ) -> None:
        (state_dir / name).mkdir(exist_ok=True)
        rights.take(state_dir / name, left=left)
        with pytest.raises(CommandError) as raised:
            call_command(command, drain=True)
        assert f"{state_dir / name}".rstrip("/") + " belongs to " in str(raised.value)
        assert "\n" not in str(raised.value)

    @pytest.mark.parametrize("left", [NONE, LOOK])
    @pytest.mark.parametrize("name", ["wake", "spool", "bodies", "alerts"])
    def test_a_worker_does_what_it_can(self, state_dir: Path, rights: Rights, name: str, *, left: int) -> None:
        keep("photo", b"x")
        (state_dir / name).mkdir(exist_ok=True)
        rights.take(state_dir / name, left=left)
        call_command("process_raw", drain=True)
        assert RawPayload.objects.get().state == "done"

    @pytest.mark.parametrize("left", [NONE, LOOK])
    @pytest.mark.parametrize("name", ["", "spool", "locks", "workers", "wake", "bodies"])
    def test_the_site_serves_what_it_can(self, state_dir: Path, rights: Rights, name: str, *, left: int) -> None:
        (state_dir / name).mkdir(exist_ok=True)
        rights.take(state_dir / name, left=left)
        assert post() == (202, False)
        for path in ("/", "/healthz", "/readyz", "/sign-up/"):
            assert Client().get(path, secure=True).status_code == 200, path

    def test_the_site_says_at_its_start_what_it_cannot_use(
        self, state_dir: Path, rights: Rights, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("django.setup", lambda **_: None)  # it would configure logging anew
        (state_dir / "wake").mkdir()
        rights.take(state_dir / "wake")
        get_wsgi_application()
        (line,) = [record.getMessage() for record in caplog.records if record.name == "notifications.http.django_entry"]
        assert line.startswith(f"NOTIFICATIONS_STATE_DIR: {state_dir}/wake belongs to ")

    def test_what_a_worker_of_another_user_left_is_not_ours_to_judge(self, state_dir: Path, rights: Rights) -> None:
        foreign = state_dir / "workers" / uuid.uuid4().hex
        foreign.parent.mkdir()
        foreign.touch()
        rights.take(foreign)
        keep("photo", b"x")
        call_command("process_raw", drain=True)
        assert RawPayload.objects.get().state == "done"
        assert foreign.exists()

    def test_a_spool_that_takes_nothing_is_named_in_the_log(
        self, rights: Rights, caplog: pytest.LogCaptureFixture
    ) -> None:
        in_spool(b"1")
        rights.take(spool().folder, left=LOOK)
        breaker.open()
        assert post() == (503, True)
        assert f"The spool takes no payload: {spool().folder} belongs to " in caplog.text


def test_the_check_knows_all_that_the_engine_makes_there() -> None:
    code = "".join(path.read_text() for path in (BASE_DIR / "notifications").rglob("*.py"))
    assert set(re.findall(r'state_dir / "([\w-]+)"', code)) | {"machine-id", "spool", "spool.bytes"} == set(STATE_NAMES)


def test_a_database_that_cannot_be_written_is_one_that_is_away(sqlite_file: Path, rights: Rights) -> None:
    connection.close()
    rights.take(sqlite_file, left=0o400)
    assert post() == (202, False)
    assert len(spool().waiting()) == 1


def test_a_body_that_cannot_be_read_is_not_damaged(state_dir: Path, rights: Rights) -> None:
    payload = moved()
    rights.take(stored(payload, state_dir))
    with pytest.raises(StorageFailed):
        RawPayload.objects.get().body  # noqa: B018
    rights.give_back()
    assert RawPayload.objects.get().body == BODY


class TestFileJournal:
    def test_a_folder_that_cannot_be_written_raises_until_it_can(self, tmp_path: Path, rights: Rights) -> None:
        (tmp_path / "journal").mkdir()
        rights.take(tmp_path / "journal", left=LOOK)
        journal = FileJournal(tmp_path / "journal")
        with pytest.raises(PermissionError):
            journal.write(journal.encode({"MESSAGE": "x"}))
        rights.give_back()
        journal.write(journal.encode({"MESSAGE": "y"}))
        assert messages(read_all(journal.open(follow=False))) == ["y"]

    @pytest.mark.parametrize("sealed", [False, True])
    def test_a_file_that_cannot_be_read_is_not_passed_over(
        self, tmp_path: Path, rights: Rights, *, sealed: bool
    ) -> None:
        journal = FileJournal(tmp_path, max_file_bytes=1 if sealed else 1000)
        for text in ("a", "b"):
            journal.write(journal.encode({"MESSAGE": text}))
        rights.take(path_of(tmp_path, 1), left=NONE if sealed else 0o200)
        with pytest.raises(PermissionError):
            read_all(journal.open(follow=False))
        rights.give_back()
        assert messages(read_all(journal.open(follow=False))) == ["a", "b"]


@pytest.mark.parametrize("works", [True, False])
def test_a_choice_of_journal_that_cannot_be_read_is_made_anew(
    tmp_path: Path, rights: Rights, caplog: pytest.LogCaptureFixture, *, works: bool
) -> None:
    assert chooses_journald(tmp_path, lambda: True)
    rights.take(tmp_path / "journal-auto")
    assert chooses_journald(tmp_path, lambda: works) is works
    assert "cannot be kept" in caplog.text


def test_a_lock_that_cannot_be_looked_at_may_be_held(rights: Rights) -> None:
    key = Key("machine", "memory://", "SLACK")
    lock = Lock(key)
    rights.take(lock_of(key))
    assert holder(key) == Holder(held=None)
    lock.close()
