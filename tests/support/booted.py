"""A Debian with systemd as PID 1, booted by systemd-nspawn, which shares this machine's network.

Needs root, debootstrap and systemd-container.
"""

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.support import debian
from tests.support.checkout import copy_working_tree
from tests.support.ports import free_port
from tests.support.wait import wait_for

#: Where the checkout is in the machine.
CHECKOUT: Final = "/root/proppy"
JOURNAL: Final = "systemd-journald@proppy.service"
SERVICES: Final = (
    "proppy-web@1.service",
    "proppy-web@2.service",
    "proppy-process-raw.service",
    "proppy-follow-journal.service",
)


class Booted:
    """The machine; `with Booted(folder) as machine:`. `root` is its disk."""

    def __init__(self, folder: Path, suite: str = debian.DEFAULT_SUITE) -> None:
        self.suite = suite
        self.root = folder / "root"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._console = folder / "console.log"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> "Booted":
        debian.copy_disk(self.suite, self.root)
        self.copy_checkout()
        self.boot()
        return self

    def __exit__(self, *_: object) -> None:
        if self._nspawn:
            self.power_off_hard()

    def copy_checkout(self) -> None:
        """This working tree as it is, as a checkout in the machine."""
        there = self.root / CHECKOUT.lstrip("/")
        shutil.rmtree(there, ignore_errors=True)
        copy_working_tree(there)

    def boot(self) -> None:
        """Power on; returns when systemd says that it is up."""
        # As of systemd 252 it would ask a systemd on this machine for a scope and a registration otherwise.
        options = ["--quiet", "--register=no", "--keep-unit", "--boot", "--console=pipe"]
        with self._console.open("ab") as out:
            self._nspawn = subprocess.Popen(
                ["systemd-nspawn", *options, f"--directory={self.root}"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._leader = wait_for(self._find_leader, timeout=60, message="the machine's first process")
            wait_for(self._is_up, timeout=120, message="the machine is up")
        except AssertionError as error:
            error.add_note(self._console.read_text(errors="replace"))
            self.power_off_hard()
            raise

    def _find_leader(self) -> int:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, "systemd-nspawn has ended"
        for pid in Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split():
            # Another child only prepares the disk, and ends: this one is number 1 in a namespace of its own.
            with suppress(FileNotFoundError, ProcessLookupError):
                if re.search(r"^NSpid:\t\d+.*\t1$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE):
                    return int(pid)
        return 0

    def _is_up(self) -> bool:
        # "degraded": a unit failed, which tests look for themselves.
        return self.try_run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}

    def power_off(self) -> None:
        """As an operator does; returns when it is off."""
        nspawn = self._nspawn
        assert nspawn is not None
        self.try_run("systemctl", "poweroff")  # which the machine may end before it has answered
        try:
            wait_for(lambda: nspawn.poll() is not None, timeout=120, message="the machine is off")
        except AssertionError as error:
            error.add_note(self.log())
            raise
        self._nspawn, self._leader = None, 0

    def power_off_hard(self) -> None:
        """SIGKILL for everything in it, at once."""
        assert self._nspawn is not None
        nspawn, self._nspawn = self._nspawn, None
        # With the first process of a namespace all others go; systemd-nspawn itself then tidies up.
        with suppress(ProcessLookupError):
            os.kill(self._leader or nspawn.pid, signal.SIGKILL)
        self._leader = 0
        try:
            nspawn.wait(60)
        finally:
            nspawn.kill()
            nspawn.wait()

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a program in it, as root; stdout and stderr are one. `with machine.start(...)` waits for its end."""
        assert self._leader, "the machine is off"
        namespaces = ["--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd"]
        return subprocess.Popen(
            ["nsenter", f"--target={self._leader}", *namespaces, "--", *command],
            env=debian.environment() | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": debian.WHEELS},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def try_run(self, *command: str, timeout: float = 300) -> "subprocess.CompletedProcess[str]":
        """Run a program in it to its end. AssertionError with what it has printed if that takes too long."""
        with self.start(*command) as process:
            try:
                output, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"{' '.join(command)}: still running\n{process.communicate()[0]}") from None
        return subprocess.CompletedProcess(command, process.returncode, output)

    def run(self, *command: str, timeout: float = 300) -> str:
        """The same; gives what it has printed. AssertionError with that if it fails."""
        done = self.try_run(*command, timeout=timeout)
        assert done.returncode == 0, f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}"
        return done.stdout

    def shell(self, code: str, timeout: float = 300) -> str:
        """Run Python in the site, as its user and in its sandbox; what it has printed, stripped."""
        return self.run("proppy-manage", "shell", "-v", "0", "-c", code, timeout=timeout).strip()

    def write(self, path: str, text: str) -> None:
        """A file of root's, mode 0600."""
        there = self.root / path.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text)
        there.chmod(0o600)

    def main_pid(self, unit: str) -> int:
        """In the machine's own numbers; 0 where it does not run."""
        return int(self.run("systemctl", "show", "--property=MainPID", "--value", unit))

    def kill_all(self, unit: str) -> None:
        """SIGKILL for each process of a unit, by its control group: `systemctl kill` fails with EIO now and then."""
        # The same line in each version of control groups, whose folders are not.
        grep = rf"grep -lsE '/{re.escape(unit)}(/|$)' /proc/[0-9]*/cgroup"
        code = f'pids=$({grep} | cut -d/ -f3); [ -n "$pids" ] && echo $pids && kill -KILL $pids'
        before = self.main_pid(unit)
        assert before, f"{unit} does not run"
        killed = self.try_run("sh", "-c", code).stdout.split()
        assert str(before) in killed, f"{unit}: {before} is not among {killed}"

    def wait_until_active(self, *units: str, timeout: float = 90) -> None:
        """Until all of them say that they are ready."""
        self.wait_until("active", *units, timeout=timeout)

    def wait_until(self, state: str, *units: str, timeout: float = 90) -> None:
        """Until `systemctl is-active` says so of all. AssertionError with their status if that takes longer."""

        def reached() -> bool:
            return self.try_run("systemctl", "is-active", *units).stdout.split() == [state] * len(units)

        try:
            wait_for(reached, timeout=timeout, message=f"{state}: {' '.join(units)}")
        except AssertionError as error:
            error.add_note(self.try_run("systemctl", "status", "--no-pager", "--lines=30", *units).stdout)
            raise

    def log(self, lines: int = 200) -> str:
        """The last lines of its journal."""
        return self.try_run("journalctl", "--no-pager", f"--lines={lines}", "--output=short-monotonic").stdout
