"""Whether a process is gone: by its number, its birth and its boot; and what a token says of that."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from notifications.events import process_token
from notifications.events.process_token import birth_of, new_token
from notifications.losses.gone_processes import is_gone
from tests.support.journals import exit_code, in_child
from tests.support.wait import wait_for

ANOTHER_BOOT: Final = "00000000-1-00000000"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_token_is_new_each_time_and_says_when_it_was_made() -> None:
    before = process_token.now()
    made = [new_token() for _ in range(1000)]
    assert len(set(made)) == 1000
    births = [birth for token in made if (birth := birth_of(token))]
    assert len(births) == 1000
    assert before <= births[0] <= births[-1] <= process_token.now()


@pytest.mark.parametrize(
    "token", ["", "0123456789abcdef", "a-b-c", f"{ANOTHER_BOOT}0", f"{ANOTHER_BOOT}\n", "٠٠٠٠٠٠٠٠-1-00000000"]
)
def test_other_tokens_say_nothing(token: str) -> None:
    assert birth_of(token) is None


def test_without_linux_there_is_one_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_token, "BOOT_ID", Path("/nowhere"))
    process_token.boot.cache_clear()
    try:
        before, birth = process_token.now(), birth_of(new_token())
        assert birth is not None
        assert birth.boot == before.boot == "00000000"
        assert before <= birth <= process_token.now()
    finally:
        process_token.boot.cache_clear()


def test_this_process_is_there() -> None:
    assert not is_gone(new_token(), os.getpid())
    assert not is_gone("foreign", os.getpid())


def test_a_token_made_at_the_very_beginning() -> None:
    """A process is older than its token, be it by less than a tick."""
    new = "from notifications.events.process_token import new_token"
    code = f"{new}; import sys; print(new_token(), flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout  # noqa: PT018
    token = process.stdout.readline().decode().strip()
    assert birth_of(token)
    assert not is_gone(token, process.pid)
    process.stdin.close()
    process.stdout.close()
    process.wait()
    assert is_gone(token, process.pid)


def test_another_process_has_its_number_by_now(sleeper: subprocess.Popen[bytes]) -> None:
    now = process_token.now()
    older = f"{now.boot}-{now.ticks - 1000:x}-00000000"
    assert is_gone(older, sleeper.pid)
    assert not is_gone("foreign", sleeper.pid)


def test_a_process_of_another_boot() -> None:
    assert is_gone(ANOTHER_BOOT, os.getpid())


def test_a_killed_process_whose_parent_has_not_looked_yet(sleeper: subprocess.Popen[bytes]) -> None:
    token = new_token()
    assert not is_gone(token, sleeper.pid)
    sleeper.send_signal(signal.SIGKILL)
    assert wait_for(lambda: is_gone(token, sleeper.pid))
    os.kill(sleeper.pid, 0)  # its number is still taken
    sleeper.wait()
    assert is_gone(token, sleeper.pid)


def test_another_users_process_is_there() -> None:
    """Init is root's; this is another user, who may not send it a signal."""

    def look() -> None:
        if os.getuid() == 0:
            os.setuid(65534)
        with pytest.raises(PermissionError):
            os.kill(1, 0)
        assert not is_gone("foreign", 1)

    assert exit_code(in_child(look)) == 0


@pytest.mark.parametrize("pid", [2**22 + 1, 2**31 - 1, 2**31, 2**63])
def test_numbers_that_no_process_has(pid: int) -> None:
    assert is_gone("foreign", pid) is (pid < 2**31)
