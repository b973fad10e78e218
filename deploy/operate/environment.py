"""The virtual environment of a release. Releases with the same requirements share one: to make it takes a minute."""

import hashlib
import shutil
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from deploy.operate.machine import ENVIRONMENTS, Machine

#: A file in each environment that was made to its end.
WHOLE: Final = ".whole"


def environment(machine: Machine, requirements: Path, *, rebuild: bool = False) -> Path:
    """Returns the environment for this Python and these requirements. Makes it unless it is there, or if `rebuild`.

    A failure leaves nothing behind. Raises Failed.
    """
    wanted = hashlib.sha256(f"{sys.executable} {sys.version}\0".encode() + requirements.read_bytes()).hexdigest()[:12]
    there = sorted(mark.parent for mark in ENVIRONMENTS.glob(f"{wanted}-*/{WHOLE}"))
    if there and not rebuild:
        machine.say(f"use the virtual environment {there[-1].name}, whose requirements are the same")
        return there[-1]
    now = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")  # noqa: UP017  for old Pythons
    made = ENVIRONMENTS / f"{wanted}-{now}"
    try:
        make(machine, made, requirements)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return made


def make(machine: Machine, folder: Path, requirements: Path) -> None:
    """Makes it, and marks it as whole."""
    machine.say("install requirements/base.txt into a virtual environment (the first time this takes a minute)")
    machine.run([sys.executable, "-m", "venv", folder])
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes"]
    machine.run([folder / "bin" / "python", "-m", "pip", "install", *options, "-r", requirements])
    (folder / WHOLE).touch()


def remove_unused(machine: Machine, links: Iterable[Path]) -> None:
    """Removes the environments that no release links to, also those of interrupted installations."""
    used = {link.resolve() for link in links}
    for path in sorted(ENVIRONMENTS.iterdir()) if ENVIRONMENTS.is_dir() else []:
        if path.resolve() not in used:
            machine.remove(path)
