"""What the figures were measured on."""

import os
import platform
import re
from pathlib import Path

import psycopg

from notifications.sqlite import use_fixed_sqlite

use_fixed_sqlite()

import sqlite3  # noqa: E402  the library that the site uses


def machine() -> str:
    """Processor, cores, memory, versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        f"Linux {platform.release()}",
        f"Python {platform.python_version()}",
        f"SQLite {sqlite3.sqlite_version}",
        f"psycopg {psycopg.__version__}",
    ]
    return "; ".join(parts)


def load() -> str:
    """The load average, which tells how far to trust the figures."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()
