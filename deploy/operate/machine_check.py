"""Whether proppy can be installed here: what is missing is said before anything is built or stopped."""

import shutil
import sys
from pathlib import Path
from typing import Final

from deploy.operate import services
from deploy.operate.machine import HOME, STATE, Failed

SYSTEMD: Final = 252
#: A small Debian is without, and a package that has just been installed is started by the next boot only.
BUS: Final = Path("/run/dbus/system_bus_socket")
#: Bytes: a release with an environment of its own takes 180 MB, and the services' own limit is 128 MiB.
ROOM: Final = 512 << 20


def check_machine() -> None:
    """Raises Failed if proppy cannot run here."""
    if sys.version_info < (3, 11):  # noqa: UP036  the system's own Python
        raise Failed("This needs Python 3.11 or newer: Debian 12, Ubuntu 24.04 or newer have it.")
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        raise Failed("Python cannot make virtual environments: apt-get install python3-venv") from None
    if not Path("/run/systemd/system").is_dir() or not shutil.which("systemctl"):
        raise Failed("systemd is not running here. Without it: make run, or Procfile in a container.")
    if (version := services.systemd_version()) < SYSTEMD:
        raise Failed(f"This needs systemd {SYSTEMD} or newer; this machine has {version}.")
    if not BUS.exists():
        raise Failed("systemd-run needs D-Bus: apt-get install dbus && systemctl start dbus.socket")


def check_room() -> None:
    """Raises Failed on a disk that is nearly full: services that are restarted there would not start."""
    for path in (HOME, STATE):
        there = next(folder for folder in (path, *path.parents) if folder.is_dir())
        free = shutil.disk_usage(there).free  # for others than root
        if free < ROOM:
            left = f"{free >> 20} MiB are free in {there}, and this needs {ROOM >> 20}"
            raise Failed(f"{left}: make room first. Nothing was changed.")
