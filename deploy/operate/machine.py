"""The machine that proppy is installed on: its paths, and the steps that change it, each of which is printed."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

HOME: Final = Path("/opt/proppy")
RELEASES: Final = HOME / "releases"
#: Virtual environments, each of one or more releases.
ENVIRONMENTS: Final = HOME / "environments"
CURRENT: Final = HOME / "current"
#: Static files of all kept releases, for nginx: a page may need those of the previous release.
STATIC: Final = HOME / "static"
ETC: Final = Path("/etc/proppy")
ENV_FILE: Final = ETC / "env"
CREDENTIALS: Final = ETC / "credentials"
BACKUPS: Final = Path("/var/backups/proppy")
STATE: Final = Path("/var/lib/proppy")
#: Exists while a restore changes the data, and after one was interrupted (deploy/operate/swap.py).
UNFINISHED: Final = STATE / "restore-unfinished"
USER: Final = "proppy"


class Failed(Exception):
    """A step failed; its text says what to do."""


class Machine:
    """Carries out steps, or with `dry_run` only prints them."""

    def __init__(self, *, dry_run: bool = False) -> None:
        self.dry_run = dry_run

    def say(self, what: str) -> None:
        print(f"would {what}" if self.dry_run else what, flush=True)  # noqa: T201

    def run(
        self, command: Sequence[str | Path], *, env: dict[str, str] | None = None, quiet: bool = True, what: str = ""
    ) -> None:
        """Run a program that changes something; `what` names it. Raises Failed with its output."""
        words = [str(word) for word in command]
        if self.dry_run:
            self.say(f"run {' '.join(words)}")
            return
        output = subprocess.PIPE if quiet else None
        done = subprocess.run(words, env=env, stdout=output, stderr=subprocess.STDOUT if quiet else None, text=True)
        if done.returncode:
            raise Failed(f"{what or ' '.join(words)}: exit status {done.returncode}\n{done.stdout or ''}".rstrip())

    def folder(self, path: Path, mode: int, owner: str = "root") -> None:
        """Make a folder, and set its mode and owner."""
        if self.dry_run:
            if not path.is_dir():
                self.say(f"make {path}")
            return
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        shutil.chown(path, owner, owner)

    def write(self, path: Path, content: bytes, mode: int = 0o644) -> bool:
        """Write a file atomically; returns whether that changed anything."""
        if path.exists() and path.read_bytes() == content:
            return False
        self.say(f"write {path}")
        if not self.dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            partial.unlink(missing_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            partial.chmod(mode)
            partial.replace(path)
        return True

    def link(self, path: Path, target: Path) -> None:
        """Make a link point to `target`, atomically."""
        if path.is_symlink() and path.readlink() == target:
            return
        self.say(f"link {path} to {target}")
        if not self.dry_run:
            partial = path.with_name(f".{path.name}.partial")
            partial.unlink(missing_ok=True)
            partial.symlink_to(target)
            partial.replace(path)

    def remove(self, path: Path) -> None:
        """Remove a file or folder."""
        self.say(f"remove {path}")
        if not self.dry_run:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def alone() -> Iterator[None]:
    """Lock out other installs and rollbacks. Raises Failed if one is running."""
    with Path("/run/proppy-install.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed("Another install or rollback is running: wait until it has ended.") from None
        yield


def require_root() -> None:
    if os.geteuid() != 0:
        raise Failed("This needs root: sudo …")
    os.umask(0o022)


def to_exit(main: Callable[[], None]) -> NoReturn:
    """Run `main`; a failure is a line and an exit status."""
    try:
        main()
    except Failed as error:
        sys.exit(f"Failed: {error}")
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
    sys.exit(0)
