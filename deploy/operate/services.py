"""Installs a release's units, and restarts them without refusing a request."""

import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from deploy.operate.machine import Failed, Machine

TARGET: Final = "proppy.target"
#: The order matters: while one of the first two restarts, the other answers.
SERVICES: Final = (
    "proppy-web@1.service",
    "proppy-web@2.service",
    "proppy-process-raw.service",
    "proppy-follow-journal.service",
)
#: All units that may write to the database.
WRITERS: Final = (*SERVICES, "proppy-prune.service", "proppy-backup.service")
WEB: Final = SERVICES[:2]
SOCKET: Final = "proppy-web.socket"
#: Units that would start one of them.
TIMERS: Final = ("proppy-prune.timer", "proppy-backup.timer")
JOURNAL: Final = "systemd-journald@proppy.service"
#: Sends visitors to HTTPS, where somebody has enabled its socket.
REDIRECT: Final = "proppy-redirect.service"
#: Units that are restarted after a failure, and the drop-in that each of them gets for the machine's systemd.
RESTARTED: Final = ("proppy-web@.service", *SERVICES[2:], JOURNAL)
RESTARTS: Final = "20-restarts.conf"
#: Seconds for which a stopping unit may still count as running.
STOPPING: Final = 2.0
#: Seconds that a ready service must keep running.
STEADY: Final = 2.0
UNITS: Final = Path("/etc/systemd/system")
SYSTEMD: Final = Path("/etc/systemd")
SYSUSERS: Final = Path("/etc/sysusers.d/proppy.conf")


def systemd_version() -> int:
    """Its number, without what a distribution adds."""
    said = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return int(said.partition(".")[0].partition("~")[0])


def _files(release: Path) -> Iterator[tuple[Path, Path]]:
    """Each of the release's files, and its destination."""
    folder = release / "deploy" / "systemd"
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, UNITS / path.relative_to(folder)
    yield release / "deploy" / "journald@proppy.conf", SYSTEMD / "journald@proppy.conf"
    restarts = release / "deploy" / "restarts" / ("from-254.conf" if systemd_version() >= 254 else "before-254.conf")
    if restarts.exists():  # a release may be older
        yield from ((restarts, UNITS / f"{unit}.d" / RESTARTS) for unit in RESTARTED)


def install_user(machine: Machine, release: Path) -> None:
    machine.write(SYSUSERS, (release / "deploy" / "sysusers.d" / "proppy.conf").read_bytes())
    machine.run(["systemd-sysusers", SYSUSERS])


def install_units(machine: Machine, release: Path) -> None:
    """Install the release's units, and remove those that it no longer has. Drop-ins of `systemctl edit` stay."""
    files = {there: path for path, there in _files(release)}
    changed = [there for there, path in files.items() if machine.write(there, path.read_bytes())]
    for old in sorted({*UNITS.glob("proppy-*.*"), *UNITS.glob(f"*proppy*.d/{RESTARTS}")} - set(files)):
        if old.is_file():
            if old.suffix == ".socket":  # it would keep its port
                machine.run(["systemctl", "stop", old.name])
            machine.remove(old)
    _reload(machine)
    if any("journald" in str(path) for path in changed):
        machine.run(["systemctl", "try-restart", JOURNAL])  # events wait in its sockets meanwhile
    machine.run(["systemctl", "--quiet", "enable", TARGET])


def _reload(machine: Machine) -> None:
    """Make systemd read the units. If their address changed, servers are stopped: `start` starts them."""
    before = _show(SOCKET, "Listen")
    machine.run(["systemctl", "daemon-reload"])
    after = _show(SOCKET, "Listen")
    if after != before and is_active(TARGET):
        machine.run(["systemctl", "stop", *WEB])
        if after:  # a release may have no such unit
            machine.run(["systemctl", "restart", SOCKET])


def is_active(unit: str) -> bool:
    """Whether it runs and is ready."""
    return _show(unit, "ActiveState") == "active"


def is_wanted(unit: str) -> bool:
    """Whether it runs or will. A job is `activating` while it runs, and a service while it waits for its restart."""
    return _show(unit, "ActiveState") in {"active", "activating", "reloading"}


def still_wanted(units: Iterable[str]) -> list[str]:
    """Those that run or will, a moment after somebody may have stopped them."""
    until = time.monotonic() + STOPPING
    while found := [unit for unit in units if is_wanted(unit)]:
        if time.monotonic() > until:
            break
        time.sleep(0.2)
    return found


def start(machine: Machine) -> None:
    """Start all, or restart one after the other. Raises Failed at the first that does not start; the others keep on."""
    if machine.dry_run or not is_active(TARGET):
        machine.say(f"start or restart {TARGET}" if machine.dry_run else f"start {TARGET}")
        machine.run(["systemctl", "start", TARGET])
        for unit in SERVICES if not machine.dry_run else ():
            _expect_active(unit)
        return
    for unit in SERVICES:
        machine.say(f"restart {unit}")
        machine.run(["systemctl", "restart", unit])  # returns when it is ready
        _expect_active(unit)
    for unit in TIMERS:
        machine.run(["systemctl", "restart", unit])
    if is_active(REDIRECT):
        machine.run(["systemctl", "try-restart", REDIRECT])
    machine.run(["systemctl", "start", TARGET])  # units that only this release's target wants


def _expect_active(unit: str) -> None:
    """Raises Failed unless it runs, and keeps running for STEADY seconds."""
    before = _show(unit, "MainPID")
    time.sleep(STEADY)
    if not is_active(unit) or _show(unit, "MainPID") != before:
        raise Failed(f"{unit} does not stay up: journalctl -u {unit} says why.")


def _show(unit: str, name: str) -> str:
    command = ["systemctl", "show", f"--property={name}", "--value", unit]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
