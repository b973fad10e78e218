"""The disk of a Debian or Ubuntu that was never booted, made by debootstrap and kept in a folder of the user's."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.child import BASE_DIR

PACKAGES: Final = (
    *("systemd", "systemd-sysv", "dbus", "python3", "python3-venv"),
    *("ca-certificates", "nginx", "procps", "util-linux"),
)
#: Of Ubuntu, where some of the packages are in universe.
UBUNTU: Final = frozenset({"noble"})
#: How debootstrap makes each Ubuntu; it may be older than the suite, and then has no file of that name.
UBUNTU_SCRIPT: Final = Path("/usr/share/debootstrap/scripts/gutsy")
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
CACHE: Final = Path.home() / ".cache" / "proppy-tests"
#: Where a disk has what requirements/base.txt asks for, as files.
WHEELS: Final = "/root/wheels"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What is booted unless another is named, whatever this machine is.
DEFAULT_SUITE: Final = "trixie"


def copy_disk(suite: str, target: Path) -> None:
    """A new disk in the folder `target`. The first one takes a minute, and one after new requirements some seconds.

    Raises AssertionError with what was printed by the step that failed.
    """
    with locked(suite):
        base = base_disk(suite)
        _fill_wheels(base)
        run(["cp", "-a", "--reflink=auto", str(base), str(target)])


@contextmanager
def locked(suite: str) -> Iterator[None]:
    """Other runs wait: two would write into one folder."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def base_disk(suite: str) -> Path:
    """The disk that all others are copies of. Call it in `locked()`. Raises as `copy_disk()` does."""
    words = f"2 {suite} {' '.join(PACKAGES)}".encode()
    base = CACHE / f"{suite}-{hashlib.sha256(words).hexdigest()[:16]}"
    if not base.is_dir():
        for old in [*CACHE.glob(f"{suite}-*"), *CACHE.glob("debian-*")]:
            shutil.rmtree(old, ignore_errors=True)  # another run may remove the latter, too
        partial = base.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        options = ["--variant=minbase", f"--include={','.join(PACKAGES)}"]
        if suite in UBUNTU:
            options.append("--components=main,universe")
            run(["debootstrap", *options, suite, str(partial), _ubuntu_mirror(), str(UBUNTU_SCRIPT)])
        else:
            run(["debootstrap", *options, suite, str(partial)])
        for path in (Path("/etc/pip.conf"), CERTIFICATES):
            if path.exists():
                shutil.copy(path, partial / path.relative_to("/"))
        (partial / "etc" / "machine-id").write_text("")
        for unit in ("nginx.service", "apt-daily.timer", "apt-daily-upgrade.timer"):
            run(["systemctl", f"--root={partial}", "--quiet", "mask", unit])
        partial.rename(base)
    return base


def _ubuntu_mirror() -> str:
    """The one that debootstrap knows. By itself it takes Debian's where Ubuntu's keys are not installed."""
    found = re.search(r"default_mirror (\S+//archive\.\S+)", UBUNTU_SCRIPT.read_text())
    assert found, f"{UBUNTU_SCRIPT} names no mirror"
    return found[1]


def _fill_wheels(base: Path) -> None:
    """So that no test depends on a network, and each installation is quick."""
    wanted, there = BASE_DIR / "requirements" / "base.txt", base / "root" / "base.txt"
    if there.exists() and there.read_bytes() == wanted.read_bytes():
        return
    there.unlink(missing_ok=True)
    partial = there.with_suffix(".partial")
    shutil.copy(wanted, partial)
    pip = f"/tmp/venv/bin/pip --quiet download --require-hashes --dest={WHEELS} -r /root/{partial.name}"
    script = f"rm -rf {WHEELS}; python3 -m venv /tmp/venv && {pip} && rm -rf /tmp/venv"
    run(["chroot", str(base), "/bin/sh", "-c", script], env=environment())
    partial.rename(there)


def environment() -> dict[str, str]:
    """Of commands in the machine: nothing of this process but what pip needs to reach its packages."""
    known = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}
    return known | {
        name: value
        for name, value in os.environ.items()
        if (name.startswith("PIP_") and name != "PIP_FIND_LINKS") or name.lower() in {"https_proxy", "no_proxy"}
    }


def run(command: Sequence[str], *, env: dict[str, str] | None = None) -> None:
    """Raises AssertionError with what it has printed where it fails."""
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    assert done.returncode == 0, f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}"
