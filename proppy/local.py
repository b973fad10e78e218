"""`make run`: the whole site on a laptop, in one terminal. Not for servers."""

import errno
import ipaddress
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from notifications.utils import file_locks

BASE_DIR: Final = Path(__file__).resolve().parent.parent
ENV_FILE: Final = BASE_DIR / ".env"
LAST_PORT: Final = 65535


def main() -> None:
    """Write `.env` on first use, prepare the database, print the addresses, then become the process runner."""
    host = os.environ["HOST"] = os.environ.get("HOST", "localhost").replace("localhost", "127.0.0.1")
    port = os.environ.setdefault("PORT", "8000")
    check_address(host, port)
    lock(BASE_DIR)
    check_free(host, int(port))
    write_env(ENV_FILE)
    # The processes find the virtual environment's tools first.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.environ["PYTHONUNBUFFERED"] = "1"
    if sys.stdout.isatty():  # where honcho shows what it is piped
        os.environ["PIPED_TO_TERMINAL"] = "true"
    hosts = "*" if host in {"0.0.0.0", "::"} else f"127.0.0.1,localhost,[::1],{in_url(host)}"  # noqa: S104  compared only
    os.environ.setdefault("ALLOWED_HOSTS", hosts)
    os.chdir(BASE_DIR)
    prepare()
    say(f"Site   http://{in_url(host)}:{port}/")
    say(f"Admin  http://{in_url(host)}:{port}/admin/")
    say("Ctrl-C ends all of it.")
    # Not .env: settings.py reads it, and honcho would parse it differently.
    os.execv(sys.executable, [sys.executable, "-m", "honcho", "start", "-e", os.devnull, "-p", port])


def check_address(host: str, port: str) -> None:
    """Exit with advice if HOST or PORT is invalid."""
    try:
        ipaddress.ip_address(host)  # no names: they may have several addresses
    except ValueError:
        sys.exit(f"HOST is {host!r}: write an IP address, such as HOST=127.0.0.1 make run")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= LAST_PORT):
        sys.exit(f"PORT is {port!r}: write a number from 1 to {LAST_PORT}, such as PORT=8000 make run")


def lock(folder: Path) -> int:
    """Returns the descriptor of a lock that the process runner inherits, and holds until it ends.

    Exits if another `make run` has it: its workers follow the channels.
    """
    try:
        descriptor = file_locks.take_lock(folder, file_locks.EXISTING)
    except BlockingIOError:
        sys.exit("Another make run of this folder is running: stop it first, with Ctrl-C in its terminal")
    os.set_inheritable(descriptor, True)
    return descriptor


def check_free(host: str, port: int) -> None:
    """Exit if the port is in use, before anything is started."""
    error = listen_error(host, port)
    if error is None:
        return
    if error.errno != errno.EADDRINUSE:
        sys.exit(
            f"Cannot listen on {host}, port {port} ({error.strerror}): choose others with HOST= and PORT= make run"
        )
    others = range(port + 1, LAST_PORT + 1)
    free = next((other for other in others if listen_error(host, other) is None), 8000)
    sys.exit(f"Port {port} is in use: stop the other make run, or choose one: PORT={free} make run")


def listen_error(host: str, port: int) -> OSError | None:
    """Why a server cannot listen there now, or None."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            # Like servers: connections of the last run in TIME_WAIT do not matter.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error
    return None


def in_url(host: str) -> str:
    """The address in the form of URLs."""
    return f"[{host}]" if ":" in host else host


def prepare() -> None:
    """Make the tables and the admin. If a command fails it prints why, and this exits with its status."""
    for command in (["migrate", "--verbosity", "0"], ["local_admin"]):
        done = subprocess.run([sys.executable, "manage.py", *command], check=False)
        if done.returncode:
            sys.exit(done.returncode)


def write_env(path: Path) -> None:
    """Write a `.env` for this machine, unless there is one: random secrets, DEBUG, the file journal."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    values = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DEBUG": "true",
        "JOURNAL_URL": (BASE_DIR / "var" / "journal").as_uri(),
        "LOCAL_ADMIN_PASSWORD": secrets.token_urlsafe(12),
    }
    with open(descriptor, "w") as file:
        file.write("# Written by `make run`, for this machine only. .env.example explains each variable.\n")
        file.writelines(f"{name}={quoted(value)}\n" for name, value in values.items())
    say(f"Wrote {path.name} with a new SECRET_KEY.")


def quoted(value: str) -> str:
    """The value for a `.env`, quoted for django-environ.

    It must not contain line breaks, nor begin with $, which refers to a variable.
    """
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
