"""A child process: its group, its log, its end."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.ports import answers
from tests.support.wait import wait_for

BASE_DIR = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def bare_env(home: Path) -> dict[str, str]:
    """PATH, HOME, LANG, and what makes coverage measure child processes (its `patch = subprocess`)."""
    env = {"PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
    return env | {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_PROCESS_")}


class Process:
    """A command in a process group of its own, whose output goes to a file."""

    def __init__(
        self, command: Sequence[str], *, env: dict[str, str], log: Path, cwd: Path = BASE_DIR, fds: Sequence[int] = ()
    ) -> None:
        self.log_path = log
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                command,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=fds,
            )

    @property
    def pid(self) -> int:
        """Of the process that was started, which leads its group."""
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """What it has ended with; of a signal, its negative number. None while it runs."""
        return self._popen.poll()

    @property
    def log(self) -> str:
        """What it has printed."""
        return self.log_path.read_text(errors="replace")

    def send_signal(self, number: signal.Signals) -> None:
        """Send it to the leader; nothing if it has ended."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL for the whole group; none of it runs when this returns."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        wait_for(lambda: not _group_runs(self.pid), message=f"end of process group {self.pid}")

    def terminate(self, timeout: float = 30) -> int:
        """SIGTERM for the leader; its exit code. AssertionError with its log if it takes longer."""
        self._popen.terminate()
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self._popen.send_signal(signal.SIGABRT)  # PYTHONFAULTHANDLER: where each thread is
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(5)
            raise AssertionError(f"still running {timeout:g} s after SIGTERM:\n{self.log}") from None
        finally:
            self.kill()

    def wait_until_listening(self, port: int) -> None:
        """Until it accepts connections to 127.0.0.1:`port`; AssertionError with its log if it never does."""
        try:
            wait_for(lambda: answers(port) or not self.alive, timeout=30, message=f"port {port}")
            assert self.alive, f"ended before it listened to port {port}"
        except AssertionError as error:
            error.add_note(self.log)
            raise


def _group_runs(group: int) -> bool:
    """Whether a thread of the process group is alive. Zombies, which init has yet to reap, are not.

    Of each thread, because a killed process is called a zombie while its other threads still hold its sockets.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may be gone by now
            if any(_runs_in(group, stat) for stat in process.glob("task/*/stat")):
                return True
    return False


def _runs_in(group: int, stat: Path) -> bool:
    try:
        state, _, its_group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
    except OSError:  # a thread that is gone by now
        return False
    return int(its_group) == group and state not in "ZX"
