"""A release: a folder with the code, its static files, and a link to its virtual environment."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from deploy.operate.environment import environment, remove_unused
from deploy.operate.machine import CURRENT, RELEASES, STATIC, Failed, Machine

KEPT: Final = 5
#: A file in each release that has started once, with the name of the previous one. Only these can be rolled back to.
COMPLETE: Final = ".complete"
#: Entries of a checkout that are not code, if git cannot tell.
LEFT_OUT: Final = frozenset({".git", ".venv", ".env", "var", "staticfiles", "__pycache__", COMPLETE})


def source_files(source: Path) -> list[Path]:
    """The files of a checkout, relative to it: those that git knows or would add; without git, all but LEFT_OUT."""
    git = ["git", "-c", f"safe.directory={source}", "-C", str(source), "ls-files", "-z", "-co", "--exclude-standard"]
    if (source / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(git, capture_output=True, text=True)
        if listed.returncode:
            raise Failed(f"git cannot read {source}: {listed.stderr.strip()}")
        names = {Path(name) for name in listed.stdout.split("\0") if name}
        return sorted(name for name in names if (source / name).is_file())
    found = []
    for folder, folders, files in os.walk(source):
        folders[:] = [name for name in folders if name not in LEFT_OUT and not name.startswith(".")]
        found += [(Path(folder) / name).relative_to(source) for name in files if name not in LEFT_OUT]
    return sorted(found)


def content_hash(source: Path, files: Iterable[Path]) -> str:
    """The hash of what is copied, committed or not: releases with the same hash are the same."""
    digest = hashlib.sha256()
    for name in files:
        digest.update(f"{name}\0".encode() + hashlib.sha256((source / name).read_bytes()).digest())
    return digest.hexdigest()[:8]


def build(machine: Machine, source: Path, *, rebuild: bool = False) -> Path:
    """Build the release of a checkout, without its migrations; take one that is the same if there is, unless `rebuild`.

    A failure leaves nothing behind.
    """
    files = source_files(source)
    wanted = content_hash(source, files)
    if (same := _same(wanted)) and not rebuild:
        what = "keep" if same == current() else "take"
        machine.say(f"{what} {same.name}, which is this checkout (--rebuild makes a new one)")
        return same
    now = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")  # noqa: UP017  for old Pythons
    release = RELEASES / f"{now}-{wanted}"
    machine.say(f"copy {len(files)} files to {release}")
    if machine.dry_run:
        return release
    try:
        for name in files:
            (release / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, release / name)
            # The services must read it, whatever umask made the checkout.
            (release / name).chmod(0o755 if (source / name).stat().st_mode & 0o100 else 0o644)
        (release / ".venv").symlink_to(environment(machine, release / "requirements" / "base.txt", rebuild=rebuild))
        _collect_static(machine, release)
        python = release / ".venv" / "bin" / "python"
        # The services cannot write there. Files that this Python cannot compile are skipped.
        machine.run([python, "-m", "compileall", "-q", release / "proppy", release / "notifications"])
    except BaseException:
        shutil.rmtree(release, ignore_errors=True)
        raise
    return release


def _same(wanted: str) -> Path | None:
    """The release with this hash: the one in use, else the newest, such as one that was rolled back from."""
    found = [path for path in complete() if path.name.endswith(f"-{wanted}")]
    used = current()
    return used if used in found else found[-1] if found else None


def _collect_static(machine: Machine, release: Path) -> None:
    machine.say("collect static files")
    with tempfile.TemporaryDirectory() as folder:  # independent of the machine's settings and data
        env = {"PATH": os.defpath, "SECRET_KEY": "unused", "STATE_DIR": folder, "JOURNAL_URL": "memory://"}
        python = release / ".venv" / "bin" / "python"
        machine.run([python, release / "manage.py", "collectstatic", "--noinput"], env=env)
    # A page of the previous release may still need its files: their names have hashes, so nothing clashes.
    if CURRENT.exists():
        add_missing(CURRENT / "staticfiles", release / "staticfiles")
    add_missing(release / "staticfiles", STATIC)


def add_missing(source: Path, target: Path) -> None:
    """Copy the files that are not there yet; each is there as a whole or not at all. Raises OSError."""
    for path in source.rglob("*"):
        there = target / path.relative_to(source)
        if path.is_file() and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            partial = there.with_name(f".{there.name}.partial")  # a partial file would stay for good
            shutil.copy(path, partial)
            partial.replace(there)


def complete() -> list[Path]:
    """The releases that have started once, oldest first."""
    return sorted(path.parent for path in RELEASES.glob(f"*/{COMPLETE}"))


def before(release: Path) -> Path | None:
    """The release that was in use before this one was installed, if it is still there; else the next older one."""
    mark = release / COMPLETE
    name = mark.read_text() if mark.exists() else ""
    others = [path for path in complete() if path != release]
    older = [path for path in others if path.name < release.name]
    # The one before may be newer: an older release that the checkout had again was taken.
    return next((path for path in others if path.name == name), older[-1] if older else None)


def current() -> Path | None:
    """The release in use."""
    return CURRENT.resolve() if CURRENT.exists() else None


def remove_old(machine: Machine) -> None:
    """Keep the last KEPT, the one in use and the one before it; remove the rest, also of interrupted installs."""
    used = current()
    keep = {*complete()[-KEPT:], used, before(used) if used else None}
    for path in sorted(RELEASES.iterdir()) if RELEASES.is_dir() else []:
        if path not in keep:
            machine.remove(path)
    remove_unused(machine, [path / ".venv" for path in keep if path])
