"""What measurements need of a machine."""

import os
import shutil
from pathlib import Path
from typing import Final

INSTALL: Final = {
    "journald": "systemd",
    "postgresql": "postgresql",
    "wrk": "wrk",
    "gcc": "gcc libc6-dev",
}


def lacks(*needs: str) -> str:
    """What of "root", "journald", "postgresql", "wrk", "gcc" is missing here, and what to do; "" where nothing is."""
    missing = [need for need in needs if not is_there(need)]
    packages = [INSTALL[need] for need in missing if need in INSTALL]
    hints = ["run it as root"] * ("root" in missing) + [f"apt-get install {' '.join(packages)}"] * bool(packages)
    return f"needs {', '.join(missing)}: {', '.join(hints)}" if missing else ""


def is_there(need: str) -> bool:
    """Whether this machine has it."""
    match need:
        case "root":
            return os.getuid() == 0
        case "journald":
            return Path("/lib/systemd/systemd-journald").exists() and bool(shutil.which("journalctl"))
        case "postgresql":
            return any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or bool(shutil.which("initdb"))
        case _:
            return bool(shutil.which(need))
