"""A Debian with systemd as PID 1, booted by systemd-nspawn, which shares this machine's network.

Needs root, debootstrap and systemd-container.
"""

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.child import BASE_DIR
from tests.support.ports import free_port
from tests.support.wait import wait_for

PACKAGES: Final = (
    *("systemd", "systemd-sysv", "dbus", "python3", "python3-venv"),
    *("ca-certificates", "nginx-light", "procps", "util-linux"),
)
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
CACHE: Final = Path.home() / ".cache" / "proppy-tests"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Where the checkout is in the machine.
CHECKOUT: Final = "/root/proppy"
SERVICES: Final = (
    "proppy-web@1.service",
    "proppy-web@2.service",
    "proppy-process-raw.service",
    "proppy-follow-journal.service",
)


def suite() -> str:
    """This machine's Debian, else the oldest that is supported."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return release["VERSION_CODENAME"] if release.get("ID") == "debian" else "bookworm"


def base_root() -> Path:
    """A Debian that was never booted, with pip's cache filled; made once for each version of the requirements."""
    requirements = BASE_DIR / "requirements" / "base.txt"
    words = f"1 {suite()} {' '.join(PACKAGES)}".encode() + requirements.read_bytes()
    root = CACHE / f"debian-{hashlib.sha256(words).hexdigest()[:16]}"
    if not root.is_dir():
        for old in CACHE.glob("debian-*"):
            shutil.rmtree(old)
        partial = root.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        _run(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite(), str(partial)])
        for path in (Path("/etc/pip.conf"), CERTIFICATES):
            if path.exists():
                shutil.copy(path, partial / path.relative_to("/"))
        shutil.copy(requirements, partial / "root" / "base.txt")
        script = "python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -q --require-hashes -r /root/base.txt"
        _run(["chroot", str(partial), "/bin/sh", "-c", f"{script} && rm -rf /tmp/venv"], env=_environment())
        (partial / "etc" / "machine-id").write_text("")
        for unit in ("nginx.service", "apt-daily.timer", "apt-daily-upgrade.timer"):
            _run(["systemctl", f"--root={partial}", "--quiet", "mask", unit])
        partial.rename(root)
    return root


def _environment() -> dict[str, str]:
    """Of commands in the machine: nothing of this process but what pip needs to reach its packages."""
    known = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}
    return known | {
        name: value
        for name, value in os.environ.items()
        if (name.startswith("PIP_") and name != "PIP_FIND_LINKS") or name.lower() in {"https_proxy", "no_proxy"}
    }


def _run(command: Sequence[str], *, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    assert done.returncode == 0, f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}"
    return done.stdout


class Booted:
    """The machine; `with Booted(folder) as machine:`. `root` is its disk."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._console = folder / "console.log"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> "Booted":
        _run(["cp", "-a", "--reflink=auto", str(base_root()), str(self.root)])
        self.copy_checkout()
        self.boot()
        return self

    def __exit__(self, *_: object) -> None:
        if self._nspawn:
            self.power_off_hard()

    def copy_checkout(self) -> None:
        """This working tree as it is, as a checkout in the machine."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=BASE_DIR, capture_output=True, check=True
        ).stdout.decode()
        there = self.root / CHECKOUT.lstrip("/")
        shutil.rmtree(there, ignore_errors=True)
        for name in filter(None, listed.split("\0")):
            if (BASE_DIR / name).is_file():
                (there / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(BASE_DIR / name, there / name)

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
        self._leader = wait_for(self._find_leader, timeout=30, message="the machine's first process")
        wait_for(self._is_up, timeout=120, message=f"the machine is up: {self._console.read_text(errors='replace')}")

    def _find_leader(self) -> int:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, self._console.read_text(errors="replace")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def _is_up(self) -> bool:
        # "degraded": a unit failed, which tests look for themselves.
        return self.try_run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}

    def power_off_hard(self) -> None:
        """SIGKILL for everything in it, at once."""
        assert self._nspawn is not None
        os.kill(self._leader, signal.SIGKILL)  # with the first process of a namespace all others go
        self._nspawn.wait(60)
        self._nspawn = None

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a program in it, as root; stdout and stderr are one."""
        namespaces = ["--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd"]
        return subprocess.Popen(
            ["nsenter", f"--target={self._leader}", *namespaces, "--", *command],
            env=_environment(),
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

    def wait_until_active(self, *units: str, timeout: float = 90) -> None:
        """Until all of them say that they are ready."""

        def states() -> bool:
            return self.try_run("systemctl", "is-active", *units).stdout.split() == ["active"] * len(units)

        try:
            wait_for(states, timeout=timeout, message=f"active: {' '.join(units)}")
        except AssertionError as error:
            error.add_note(self.try_run("systemctl", "status", "--no-pager", "--lines=30", *units).stdout)
            raise

    def log(self, lines: int = 200) -> str:
        """The last lines of its journal."""
        return self.try_run("journalctl", "--no-pager", f"--lines={lines}", "--output=short-monotonic").stdout
