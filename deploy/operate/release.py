"""A release: a folder of its own with the code, its virtual environment and its static files."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from deploy.operate.machine import CURRENT, RELEASES, STATIC, Failed, Machine

KEPT: Final = 5
#: In a release that has started once: the name of the one before it. One without this file is nothing to go back to.
COMPLETE: Final = ".complete"
#: What a checkout may hold that is no code, where git does not say it.
LEFT_OUT: Final = frozenset({".git", ".venv", ".env", "var", "staticfiles", "__pycache__", COMPLETE})


def source_files(source: Path) -> list[Path]:
    """The files of a checkout, relative to it: what git knows or would add, else all but what is no code."""
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
    """Of what is copied, whether it is committed or not: two releases of one name are the same."""
    digest = hashlib.sha256()
    for name in files:
        digest.update(f"{name}\0".encode() + hashlib.sha256((source / name).read_bytes()).digest())
    return digest.hexdigest()[:8]


def build(machine: Machine, source: Path, *, anew: bool = False) -> Path:
    """The release of a checkout, complete but for the migrations: the one in use where it is that, unless `anew`.

    What fails leaves nothing behind.
    """
    files = source_files(source)
    used = current()
    if used and not anew and (used / COMPLETE).exists() and used.name.endswith(content_hash(source, files)):
        machine.say(f"keep {used.name}, which is this checkout (--rebuild makes it anew)")
        return used
    now = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")  # noqa: UP017  as old Pythons have it
    release = RELEASES / f"{now}-{content_hash(source, files)}"
    machine.say(f"copy {len(files)} files to {release}")
    if machine.dry_run:
        return release
    try:
        for name in files:
            (release / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, release / name)
            # The services read it, whoever's umask made the checkout.
            (release / name).chmod(0o755 if (source / name).stat().st_mode & 0o100 else 0o644)
        _install_requirements(machine, release)
        _collect_static(machine, release)
        python = release / ".venv" / "bin" / "python"
        # Its services cannot write there. What is no Python of this version is left aside.
        machine.run([python, "-m", "compileall", "-q", release / "proppy", release / "notifications"])
    except BaseException:
        shutil.rmtree(release, ignore_errors=True)
        raise
    return release


def _install_requirements(machine: Machine, release: Path) -> None:
    machine.say("install requirements/base.txt into its virtual environment (the first time this takes a minute)")
    machine.run([sys.executable, "-m", "venv", release / ".venv"])
    python = release / ".venv" / "bin" / "python"
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes"]
    machine.run([python, "-m", "pip", "install", *options, "-r", release / "requirements" / "base.txt"])


def _collect_static(machine: Machine, release: Path) -> None:
    machine.say("collect static files")
    with tempfile.TemporaryDirectory() as folder:  # nothing of the machine's own is needed for it, nor touched
        env = {"PATH": os.defpath, "SECRET_KEY": "unused", "STATE_DIR": folder, "JOURNAL_URL": "memory://"}
        python = release / ".venv" / "bin" / "python"
        machine.run([python, release / "manage.py", "collectstatic", "--noinput"], env=env)
    # A page of the release before may still ask for what it named: the names have hashes, so that nothing clashes.
    if CURRENT.exists():
        _add_missing(CURRENT / "staticfiles", release / "staticfiles")
    _add_missing(release / "staticfiles", STATIC)


def _add_missing(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        there = target / path.relative_to(source)
        if path.is_file() and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            partial = there.with_name(f".{there.name}.partial")  # half a file would stay for good
            shutil.copy(path, partial)
            partial.replace(there)


def complete() -> list[Path]:
    """The releases that have started once, oldest first."""
    return sorted(path.parent for path in RELEASES.glob(f"*/{COMPLETE}"))


def before(release: Path) -> Path | None:
    """The one that was in use before it was installed, where that is still there; else the one that is next in age."""
    mark = release / COMPLETE
    name = mark.read_text() if mark.exists() else ""
    older = [path for path in complete() if path.name < release.name]
    return next((path for path in older if path.name == name), older[-1] if older else None)


def current() -> Path | None:
    """The release in use."""
    return CURRENT.resolve() if CURRENT.exists() else None


def remove_old(machine: Machine) -> None:
    """Keep the last ones and the one in use; also remove what an interrupted install has left."""
    used = current()
    keep = {*complete()[-KEPT:], used, before(used) if used else None}
    for path in sorted(RELEASES.iterdir()) if RELEASES.is_dir() else []:
        if path not in keep:
            machine.remove(path)
