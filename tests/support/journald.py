"""A real journald: `systemd-journald NAMESPACE` needs root, but no systemd as PID 1."""

import os
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.wait import wait_for

PROGRAM = "/lib/systemd/systemd-journald"
_FOLDERS = (Path("/var/log/journal"), Path("/run/log/journal"))


class JournaldNamespace:
    """An instance of journald with a namespace of its own; `with JournaldNamespace() as journald:`.

    It exits by itself after some 30 s of silence; `start()` starts it again, with the entries it had. `settings` are
    those of journald.conf.
    """

    def __init__(self, name: str | None = None, *, settings: Mapping[str, str] | None = None) -> None:
        self.name = name or f"proppy-test-{uuid.uuid4().hex[:12]}"
        self.url = f"journald://{self.name}"
        self.socket_path = Path(f"/run/systemd/journal.{self.name}/socket")
        #: What it takes for the id of this boot, if another one than the kernel's.
        self.boot_id: uuid.UUID | None = None
        #: What it takes for the id of this machine, if another one than /etc/machine-id.
        self.machine_id: uuid.UUID | None = None
        self._settings = settings or {}
        self._etc = Path(f"/run/systemd/journald@{self.name}.conf.d")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "JournaldNamespace":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self.socket_path.parent, ignore_errors=True)
        shutil.rmtree(self._etc, ignore_errors=True)

    @property
    def folders(self) -> list[Path]:
        """Where its entries are, if it has written any."""
        return [path for folder in _FOLDERS for path in folder.glob(f"*.{self.name}")]

    @property
    def files(self) -> list[Path]:
        """Active and archived journal files."""
        return [path for folder in self.folders for path in folder.glob("*.journal")]

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it unless it runs. It takes entries when this returns."""
        if self.alive:
            return
        self.socket_path.unlink(missing_ok=True)  # a killed one leaves it behind
        self._configure()
        self._process = subprocess.Popen(
            self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self.socket_path.is_socket, message=f"{self.socket_path}")
        # Between the socket and this it has not yet asked the kernel for the senders of its entries.
        wait_for(self._takes_entries, message="journald waits for entries")

    def _takes_entries(self) -> bool:
        assert self._process is not None
        where = Path(f"/proc/{self._process.pid}/wchan").read_text()
        return where == "0" or "epoll" in where or "ep_poll" in where  # 0: this kernel does not say

    def _configure(self) -> None:
        if self._settings:
            self._etc.mkdir(exist_ok=True)
            lines = [f"{key}={value}\n" for key, value in self._settings.items()]
            (self._etc / "test.conf").write_text("[Journal]\n" + "".join(lines))

    def _command(self) -> list[str]:
        command = [PROGRAM, self.name]
        if self.boot_id is not None:
            command = with_file("/proc/sys/kernel/random/boot_id", f"{self.boot_id}\n", self._etc, command)
        if self.machine_id is not None:
            command = with_file("/etc/machine-id", f"{self.machine_id.hex}\n", self._etc, command)
        return command

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """SIGTERM, then start it again."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: entries wait in the socket until it is full."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def rotate(self) -> None:
        """Archive the active file and begin a new one."""
        self.journalctl("--rotate")

    def vacuum(self) -> None:
        """Rotate, then remove the archived files."""
        self.rotate()
        self.journalctl("--vacuum-files=1")

    def journalctl(self, *arguments: str) -> str:
        """What journalctl prints for this namespace."""
        command = ["journalctl", f"--namespace={self.name}", "--no-pager", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    @contextmanager
    def stream(self, identifier: str) -> Iterator[tuple[int, str]]:
        """A descriptor for stdout and stderr, and its JOURNAL_STREAM: what systemd gives to a unit."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.connect(str(self.socket_path.with_name("stdout")))
            # Identifier, unit, priority of unmarked lines, SyslogLevelPrefix=, and nowhere else.
            stream.sendall(f"{identifier}\n\n6\n1\n0\n0\n0\n".encode())
            status = os.fstat(stream.fileno())
            yield stream.fileno(), f"{status.st_dev}:{status.st_ino}"

    def journalctls(self) -> list[int]:
        """Process ids of those that follow its journal."""
        commands = ((pid, line) for pid, line in _commands() if line.startswith(b"journalctl\0"))
        return [pid for pid, line in commands if self.name.encode() in line and b"\0-f\0" in line]

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "journald was not started"
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(number)
        self._process.wait(30)
        self._process = None


def with_file(path: str, content: str, folder: Path, command: Sequence[str]) -> list[str]:
    """A command that sees a file with other content than it has; that is kept in a folder meanwhile. Needs root."""
    folder.mkdir(exist_ok=True)
    file = folder / Path(path).name
    file.write_text(content)
    return ["unshare", "--mount", "sh", "-c", f'mount --bind "$0" {path} && exec "$@"', str(file), *command]


def _commands() -> Iterator[tuple[int, bytes]]:
    """Process ids and command lines."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield int(path.parent.name), path.read_bytes()
        except OSError:  # it has ended
            continue


@pytest.fixture
def journald() -> Iterator[JournaldNamespace]:
    """A running journald namespace for one test; it goes away with its entries. Mark the test `services`."""
    if os.getuid() or not Path(PROGRAM).exists():
        pytest.skip(f"needs root and {PROGRAM}")
    with JournaldNamespace() as namespace:
        yield namespace
