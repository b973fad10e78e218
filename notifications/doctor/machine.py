"""Examines what runs here, and what limits it: versions, open files, disks."""

import os
import platform
import resource
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import django
from django.db import connections

from notifications.checks.databases import engine_options, vendor
from notifications.conf import conf
from notifications.doctor.journal import chosen
from notifications.journal import parse_url
from notifications.journal.journald.stored_entries import journal_paths
from notifications.store import disk_space
from notifications.utils.finding import Finding, failed, ok, unknown, warning
from notifications.utils.folder_rights import nearest
from notifications.utils.sizes import size

#: The oldest that is tested.
SYSTEMD: Final = 252
#: Open files: each connection of the web server is one.
FILES: Final = 1024
#: Inodes that should be free: each payload in the spool is a file.
INODES: Final = 10_000
MAKE_ROOM: Final = "Make room on it, or give it more."


def versions() -> Iterator[Finding]:
    """Of all that the engine rests on."""
    systemd = systemd_version()
    names = [f"Python {platform.python_version()}", f"Django {django.__version__}", f"proppy {_ours()}", _driver()]
    names += [f"systemd {systemd}" if systemd else "no systemd"]
    text = ", ".join(filter(None, names))
    if systemd and systemd < SYSTEMD:
        yield warning(text, f"systemd {SYSTEMD} is the oldest that is tested: Debian 12 has it.")
    else:
        yield ok(text)


def systemd_version() -> int:
    """0 where there is none."""
    if not shutil.which("systemctl"):
        return 0
    done = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, timeout=3, check=False)
    number = done.stdout.split()[1:2]
    return int(number[0]) if number and number[0].isdigit() else 0


def _ours() -> str:
    try:
        return version("proppy")
    except PackageNotFoundError:  # a checkout
        return conf.release or "from a checkout"


def _driver() -> str:
    driver: Any = getattr(connections[conf.database], "Database", None)
    if vendor() == "sqlite":
        return f"SQLite {driver.sqlite_version}"
    return f"psycopg {driver.__version__}" if vendor() == "postgresql" else ""


def limits() -> Iterator[Finding]:
    """What this process may use. Under systemd each unit has limits of its own."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_below(files, FILES):
        advice = "Write LimitNOFILE=65536 into the units; in a shell: ulimit -n 65536."
        yield warning(f"a process may open {files} files at most: a busy server refuses connections", advice)
    largest, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if _is_below(largest, 1 << 40):
        advice = "Remove LimitFSIZE= from the units; in a shell: ulimit -f unlimited."
        yield warning(f"a file may have {size(largest)} at most: the database cannot grow beyond that", advice)
    if not _is_below(files, FILES) and not _is_below(largest, 1 << 40):
        count = "any number of" if files == resource.RLIM_INFINITY else f"{files}"
        yield ok(f"a process may open {count} files, of any size")


def _is_below(limit: int, least: int) -> bool:
    return limit != resource.RLIM_INFINITY and limit < least


def disks() -> Iterator[Finding]:
    """Room and inodes of each disk that the engine writes to."""
    for names, folder in _folders():
        try:
            found = os.statvfs(folder)
        except OSError as error:
            yield unknown(f"{folder} ({names}) cannot be asked: {error}", "Run this as the user of the services.")
            continue
        free, inodes = found.f_bavail * found.f_frsize, found.f_favail
        text = f"{folder} ({names}): {size(free)} free"
        if free < conf.min_free_bytes:
            yield failed(f"{text}; below {size(conf.min_free_bytes)} posts may be refused (503)", MAKE_ROOM)
        elif found.f_files and inodes < INODES:  # some file systems have no number of them
            made = failed if not inodes else warning
            yield made(f"{text}, but only {inodes} inodes: each file takes one", "Delete small files on it.")
        else:
            yield ok(text + (f", {inodes} inodes" if found.f_files else ""))


def _folders() -> Iterator[tuple[str, Path]]:
    """One for each disk, with the names of what is there."""
    by_disk: dict[int, tuple[list[str], Path]] = {}
    for name, path in _places():
        folder = nearest(path)
        names, _ = by_disk.setdefault(folder.stat().st_dev, ([], folder))
        names.append(name)
    for names, folder in by_disk.values():
        yield ", ".join(names), folder


def _places() -> Iterator[tuple[str, Path]]:
    yield "STATE_DIR", conf.state_dir.absolute()
    if vendor() == "sqlite" and not disk_space.is_in_memory(connections[conf.database]):
        yield "database", Path(engine_options()["NAME"]).absolute()
    try:
        kind, place = parse_url(chosen(conf.journal_url))
    except ValueError:
        return
    if kind == "file":
        yield "journal", Path(place)
    elif kind == "journald":
        yield from (("journal", path) for path in journal_paths(place) if os.path.isdir(path))
