"""The pairs of Python and Django that the engine is tested on. Each Python is that of a Debian, never booted."""

import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from tests.support import debian
from tests.support.checkout import copy_working_tree
from tests.support.child import BASE_DIR

#: Folders that each Debian has: its disk is read-only.
VENV: Final = "/opt"
TREE: Final = "/srv"
#: A pair takes some minutes on two idle cores, and many where others use them, too.
LONGEST: Final = 1800


class Pair(NamedTuple):
    """The newest of each that came out together."""

    suite: str
    python: str
    django: str

    @property
    def requirements(self) -> Path:
        """Its own, with hashes."""
        return BASE_DIR / "requirements" / f"pair-{self.python}-{self.django}.txt"


PAIRS: Final = (Pair("bookworm", "3.11", "5.2"), Pair("trixie", "3.13", "6.0"), Pair("sid", "3.14", "6.1"))


def run(pair: Pair, folder: Path, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run Python with this working tree in a Debian of the pair; stdout and stderr are one.

    `folder` is the test's own. Raises AssertionError as `python_of()`, and where the command does not end, with what
    was printed.
    """
    copy_working_tree(folder)
    with subprocess.Popen(
        [*python_of(pair, folder), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            process.terminate()  # SIGKILL would leave what runs in there
            raise AssertionError(f"still running after {LONGEST} s:\n{process.communicate()[0]}") from None
    return subprocess.CompletedProcess(command, process.returncode, printed)


def python_of(
    pair: Pair, folder: Path, *, inside: str = "", env: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """The command of the pair's Python, in its Debian, where `folder` is TREE. `inside`: where in it Python starts.

    The Debian and the packages take two minutes, once. Raises AssertionError where they cannot be made.
    """
    with debian.locked(pair.suite):
        base = debian.base_disk(pair.suite)
        venv = _environment(pair, base)
    binds = [f"--bind-ro={venv}:{VENV}", f"--bind={folder}:{TREE}", f"--chdir={TREE}/{inside}"]
    names = [f"--setenv={name}={value}" for name, value in env.items()]
    return [*_nspawn(base, *binds, *names), f"{VENV}/bin/python"]


def _environment(pair: Pair, base: Path) -> Path:
    """A virtual environment with its requirements; made at the path where it is used, and kept beside the disk."""
    venv = base.with_name(f"{base.name}-{pair.requirements.stem}")
    there = venv / "requirements.txt"
    if there.exists() and there.read_bytes() == pair.requirements.read_bytes():
        return venv
    shutil.rmtree(venv, ignore_errors=True)
    venv.mkdir()
    partial = there.with_suffix(".partial")
    shutil.copy(pair.requirements, partial)
    pip = f"{VENV}/bin/pip --quiet --disable-pip-version-check install --only-binary=:all: --require-hashes"
    script = f"python3 -m venv {VENV} && {pip} -r {VENV}/{partial.name}"
    debian.run([*_nspawn(base, f"--bind={venv}:{VENV}"), "/bin/sh", "-c", script])
    partial.rename(there)
    return venv


def _nspawn(base: Path, *options: str) -> list[str]:
    """Runs a program in the disk, which it cannot write to, on the network of this machine."""
    name = f"--machine=proppy-{uuid.uuid4().hex}"  # several may run in one disk
    machine = (name, "--register=no", "--keep-unit", "--as-pid2", "--console=pipe", "--read-only")
    host = ("--resolv-conf=bind-host", "--timezone=off", "--link-journal=no")
    known = {**debian.environment(), "HOME": "/tmp"}
    names = [f"--setenv={name}={value}" for name, value in known.items()]
    return ["systemd-nspawn", "--quiet", f"--directory={base}", *machine, *host, *names, *options]
