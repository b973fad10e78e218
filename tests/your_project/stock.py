"""A stock project in a virtual environment of its own, as somebody has it who opens docs/your-project.md."""

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import django

from tests.support import debian
from tests.support.child import BASE_DIR, Process
from tests.support.pairs import PAIRS
from tests.support.ports import free_port

#: A package and its version, in a compiled file of requirements.
PIN: Final = re.compile(r"^([\w.-]+)(?:\[[\w,-]*\])?(==[^\s;]+)([^\n\\]*)", re.MULTILINE)
#: Seconds for a command that ends; pip may have to fetch packages on a busy machine.
LONGEST: Final = 300


class Stock:
    """`with Stock(folder, {…}) as project:`. `env` is added to what its commands see."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder / "mysite"
        self.folder.mkdir()
        self.bin = self.folder / ".venv" / "bin"
        #: For its web server.
        self.port = free_port()
        pins = folder / "pins.txt"
        pins.write_text(pinned())
        pip = {"PIP_CONSTRAINT": str(pins), "PIP_NO_COMPILE": "1", "PIP_CACHE_DIR": str(Path.home() / ".cache" / "pip")}
        path = f"{self.bin}:/usr/local/bin:/usr/bin:/bin"
        self.env = debian.environment() | pip | {"PATH": path, "HOME": str(folder)} | env
        self._processes: list[Process] = []

    def __enter__(self) -> "Stock":
        # Without pip of its own, which takes seconds to install: that of the tests works for it as well.
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.folder / ".venv"], check=True)
        pip = self.bin / "pip"
        pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip --python={self.bin}/python "$@"\n')
        pip.chmod(0o755)
        self.run("pip install Django")
        self.run("django-admin startproject mysite .")
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what runs and print all logs, which pytest shows where a test failed."""
        for process in self._processes:
            process.kill()
            print(f"--- {process.log_path}\n{process.log}")

    def run(self, command: str) -> str:
        """Run a line of the shell to its end; what it printed. AssertionError with that if it fails."""
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST,
        )
        assert done.returncode == 0, f"{command}: exit status {done.returncode}\n{done.stdout}"
        print(f"$ {command}\n{done.stdout}")
        return done.stdout

    def start(self, command: str, **env: str) -> Process:
        """Start a line of the shell that goes on."""
        words: Sequence[str] = shlex.split(command)
        log = self.folder.with_name(f"{len(self._processes)}.log")
        program = str(self.bin / words[0]) if (self.bin / words[0]).exists() else words[0]
        process = Process([program, *words[1:]], env=self.env | env, log=log, cwd=self.folder)
        self._processes.append(process)
        return process

    def stop(self) -> None:
        """SIGTERM for each process that runs; none of them may fail or leave a traceback."""
        for process in self._processes:
            if process.alive:
                assert process.terminate(60) in (0, -15), process.log
            assert "Traceback" not in process.log, process.log

    def write(self, name: str, text: str, *, first: bool = False) -> None:
        """Add text at the end of a file, or at its top; a new file has it alone."""
        path = self.folder / name
        before = path.read_text() if path.exists() else ""
        path.write_text(f"{text}\n{before}" if first else f"{before}\n{text}".lstrip("\n"))


def pinned() -> str:
    """Constraints for pip: what is tested with this Python and Django. So a release of others breaks no test."""
    here = ("{}.{}".format(*sys.version_info), "{}.{}".format(*django.VERSION))
    pair = [each.requirements.name for each in PAIRS if each[1:] == here]
    texts = [(BASE_DIR / "requirements" / name).read_text() for name in ("asgi-servers.txt", *(pair or ["base.txt"]))]
    pins = {name: f"{name}{version}{marker}" for text in texts for name, version, marker in PIN.findall(text)}
    return "".join(f"{pin}\n" for pin in pins.values())
