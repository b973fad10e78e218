"""`make run`: the whole site on a laptop, in one terminal. Never used where it is deployed."""

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Final

BASE_DIR: Final = Path(__file__).resolve().parent.parent
ENV_FILE: Final = BASE_DIR / ".env"


def main() -> None:
    """Write `.env` on first use, prepare the database, say where to look, then become the process runner."""
    write_env(ENV_FILE)
    # The tools of the virtual environment come first for what the runner starts.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.environ["PYTHONUNBUFFERED"] = "1"
    host = os.environ.setdefault("HOST", "127.0.0.1")
    port = os.environ.setdefault("PORT", "8000")
    hosts = "*" if host in {"0.0.0.0", "::"} else f"127.0.0.1,localhost,[::1],{host}"  # noqa: S104  compared only
    os.environ.setdefault("ALLOWED_HOSTS", hosts)
    os.chdir(BASE_DIR)
    for command in (["migrate", "--verbosity", "0"], ["local_admin"]):
        subprocess.run([sys.executable, "manage.py", *command], check=True)
    say(f"Site   http://{host}:{port}/")
    say(f"Admin  http://{host}:{port}/admin/")
    say("Ctrl-C ends all of it.")
    # Not .env: settings.py reads it, and honcho would read it in another way.
    os.execv(sys.executable, [sys.executable, "-m", "honcho", "start", "-e", os.devnull, "-p", port])


def write_env(path: Path) -> None:
    """A `.env` for this machine alone: random secrets, DEBUG, the file journal. Leaves one that is there as it is."""
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
        file.write("# Written by `make run`, for this machine alone. .env.example explains each variable.\n")
        file.writelines(f"{name}={quoted(value)}\n" for name, value in values.items())
    say(f"Wrote {path.name} with a new SECRET_KEY.")


def quoted(value: str) -> str:
    """The value as django-environ reads it from a `.env`.

    It must not hold line breaks, nor begin with $, which names a variable.
    """
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
