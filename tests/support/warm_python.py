"""Runs Python in a fork of a process that has imported Django: half a second less than a new interpreter takes.

Settings, apps and the engine are imported by the fork. It ends as any interpreter does.
"""

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

BASE_DIR: Final = Path(__file__).resolve().parents[2]
#: What commands of the site import before they read a setting; not SQLite, which the site may replace.
WARM: Final = (
    "boto3",
    "django.core.handlers.wsgi",
    "django.core.mail.backends.smtp",
    "django.core.management.commands.check",
    "django.db.backends.postgresql.base",
    "django.db.migrations.executor",
    "django.db.models.functions",
    "django.forms",
    "django.template.loader",
    "django.urls",
    "django.views.decorators.csrf",
    "environ",
    "orjson",
    "slack_sdk.web.client",
)
LONGEST_MESSAGE: Final = 128 * 1024


def run_python(
    arguments: Sequence[str], *, env: Mapping[str, str], timeout: float = 60, cwd: Path = BASE_DIR
) -> "subprocess.CompletedProcess[str]":
    """As `subprocess.run([sys.executable, *arguments])` with captured text: SCRIPT, -m MODULE or -c CODE, and more."""
    if any(name.startswith("COVERAGE_PROCESS_") for name in os.environ):  # it measures new interpreters
        return subprocess.run(
            [sys.executable, *arguments], env=dict(env), cwd=cwd, capture_output=True, text=True, timeout=timeout
        )
    line, _ = _server()
    with TemporaryFile() as out, TemporaryFile() as err:
        job = json.dumps([list(arguments), dict(env), str(cwd)]).encode()
        socket.send_fds(line, [job], [out.fileno(), err.fileno()])
        code = _exit_code(line, timeout)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read().decode(), err.read().decode())


def _exit_code(line: socket.socket, timeout: float) -> int:
    pid = int(line.recv(32))
    line.settimeout(timeout)
    try:
        return int(line.recv(32))
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        line.settimeout(None)
        line.recv(32)
        raise
    finally:
        line.settimeout(None)


@cache
def _server() -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    """Our end of the line to the process that forks, and that process. It ends once we have closed our end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=BASE_DIR,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return ours, process


def _serve(line: socket.socket) -> list[Any] | None:
    """Returns a job in the process that is to do it; None once nobody asks any more."""
    while True:
        message, descriptors, *_ = socket.recv_fds(line, LONGEST_MESSAGE, 2)
        if not message:
            return None
        if pid := os.fork():
            for descriptor in descriptors:
                os.close(descriptor)
            line.send(b"%d" % pid)
            line.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            continue
        line.close()
        for standard, descriptor in enumerate(descriptors, start=1):
            os.dup2(descriptor, standard)
            os.close(descriptor)
        return json.loads(message)  # type: ignore[no-any-return]


def _become(arguments: list[str], env: dict[str, str], cwd: str) -> None:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    kind, *more = arguments
    sys.argv = [kind, *more[1:]] if kind in {"-c", "-m"} else arguments
    if kind == "-m":
        runpy.run_module(more[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        exec(compile(more[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    for module in WARM:
        import_module(module)
    if job := _serve(socket.socket(fileno=int(sys.argv[1]))):
        _become(*job)
