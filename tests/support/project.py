"""A Django project in a folder, with commands that run in it."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

#: A manage.py, where `startproject` has made none.
MANAGE: Final = """
import sys
from django.core.management import execute_from_command_line

execute_from_command_line(sys.argv)
"""


class Project:
    """`command` is that of its Python, and `env` the environment."""

    def __init__(self, folder: Path, command: Sequence[str], env: Mapping[str, str]) -> None:
        self.folder, self.command, self.env = folder, command, dict(env)

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace text that is there in a file of the project."""
        text = (self.folder / name).read_text()
        assert old in text, text
        self.write(name, text.replace(old, new))

    def run(self, *command: str, fails: bool = False, timeout: float = 240) -> str:
        """Run Python with these arguments in the project; what it printed. AssertionError with that otherwise."""
        with subprocess.Popen(
            [*self.command, *command],
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                said, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.terminate()  # SIGKILL would leave what runs in a pair's Debian
                raise AssertionError(f"{command} still runs:\n{process.communicate()[0]}") from None
        assert bool(process.returncode) == fails, f"{' '.join(command)[:200]}: {process.returncode}\n{said}"
        return said

    def manage(self, *arguments: str, fails: bool = False) -> str:
        """Run manage.py."""
        return self.run("manage.py", *arguments, fails=fails)
