"""The web server as deployed: with the options of its unit, on a socket as systemd hands it over."""

import re
import shlex
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.child import BASE_DIR, BIN, Process

#: As systemd does: the socket is descriptor 3, for the process of this number.
ACTIVATE: Final = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""
UNIT: Final = BASE_DIR / "deploy" / "systemd" / "proppy-web@.service"


def command() -> list[str]:
    """What the unit runs: gunicorn and its options."""
    found = re.search(r"^ExecStart=\S+ (gunicorn .*)$", UNIT.read_text().replace("\\\n", ""), re.MULTILINE)
    assert found, f"{UNIT} starts no gunicorn"
    return shlex.split(found[1])


def start(
    listener: socket.socket, *, env: dict[str, str], log: Path, application: str = "", options: Sequence[str] = ()
) -> Process:
    """Start one on a listening socket, which others may share; `application` instead of the unit's."""
    program, *words, target = command()
    activate = [sys.executable, "-c", ACTIVATE, str(listener.fileno())]
    server = [str(BIN / program), *words, *options, application or target]
    return Process([*activate, *server], env=env, log=log, fds=[listener.fileno()])
