"""Follows docs/your-project.md to the letter, in a stock project.

Left out is what root types on a machine of its own (`console`). Substituted are: the path of the engine, by a wheel of
this tree; the port; the place of the project in its units; and `curl`, where there is none. The address of Slack and
PostgreSQL's port come from the environment, as for anybody.
"""

import shlex
import shutil
from pathlib import Path
from typing import Final

from tests.support.child import Process
from tests.support.wait import wait_for
from tests.your_project.page import Block, blocks
from tests.your_project.stock import Stock
from tests.your_project.systemd import NotifySocket

#: For a machine without it: its answer, with the status line if -i is given.
CURL: Final = """#!{python}
import argparse, urllib.request
parser = argparse.ArgumentParser()
parser.add_argument("-i", action="store_true")
parser.add_argument("-b", default="")
parser.add_argument("-H", default="X-None: ")
parser.add_argument("-d", type=str.encode)
parser.add_argument("url")
given = parser.parse_args()
name, _, value = given.H.partition(": ")
request = urllib.request.Request(given.url, given.d, {{"Cookie": given.b, name: value}})
with urllib.request.urlopen(request, timeout=30) as answer:
    if given.i:
        print(f"HTTP/1.1 {{answer.status}}")
    print(answer.read().decode())
"""


class Newcomer:
    """`database` and `interface` are those of the project: PostgreSQL, ASGI."""

    def __init__(self, project: Stock, wheel: Path, database: str, interface: str) -> None:
        self.project = project
        self._wheel = wheel
        self._choices = (database, interface)
        #: What each command printed.
        self.printed: dict[str, str] = {}
        #: The files of systemd.
        self.units: list[Path] = []

    def follow(self) -> None:
        """Do all that the page says, in its order."""
        if not shutil.which("curl"):
            curl = self.project.bin / "curl"
            curl.write_text(CURL.format(python=self.project.bin / "python"))
            curl.chmod(0o755)
        for block in blocks():
            if block.is_for(self._choices):
                self._do(block)

    def start_services(self) -> list[Process]:
        """Start what the units of type `notify` start; returns when each has said that it is ready."""
        return [self._start_service(unit) for unit in self.units if "\nType=notify\n" in unit.read_text()]

    def _do(self, block: Block) -> None:
        if block.kind == "ini":
            self.units.append(self.project.folder.with_name(Path(block.file).name))
            self.units[-1].write_text(block.text.replace("/srv/mysite", str(self.project.folder)))
        elif block.kind == "python":
            self._write(block)
        elif block.kind == "sh":
            for command in block.commands:
                self._type(command, goes_on=block.goes_on)

    def _write(self, block: Block) -> None:
        if block.replaces:
            path = self.project.folder / block.file
            before = path.read_text()
            assert before.count(f"{block.replaces}\n") == 1, before
            path.write_text(before.replace(f"{block.replaces}\n", block.text))
        else:
            self.project.write(block.file, block.text, first=block.comes_first)

    def _type(self, command: str, *, goes_on: bool) -> None:
        here = command.replace("/path/of/proppy", str(self._wheel)).replace("8000", str(self.project.port))
        if not goes_on:
            self.printed[command] = self.project.run(here)
            if command.startswith("mkdir"):  # of journald, which all projects share, others' events would come as well
                (self.project.folder / "var" / "journal-auto").write_text("file\n")
            return
        process = self.project.start(here)
        if here != command:  # the server
            process.wait_until_listening(self.project.port)

    def _start_service(self, unit: Path) -> Process:
        (command,) = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
        program, *words = shlex.split(command.partition("=")[2])
        with NotifySocket(unit.with_suffix(".notify")) as socket:
            process = self.project.start(shlex.join([program, *words]), NOTIFY_SOCKET=str(socket.path))
            wait_for(lambda: "READY=1" in socket.received(), timeout=60, message=f"{unit.name} is ready")
        return process
