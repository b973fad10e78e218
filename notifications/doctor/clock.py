"""Examines the clock: signatures, leases and retries rest on it."""

import ctypes
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.db import Error

from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.doctor.database import missing_file
from notifications.doctor.web import Address, request
from notifications.status.database import clock_differs
from notifications.utils.finding import Finding, ok, unknown, warning

NTP: Final = "Set the clocks of all machines by NTP: timedatectl set-ntp true, or run chrony."
#: Seconds: a Date header has whole ones, and the answer takes its time. Signed times may differ by 300 s.
DIFFERS: Final = 5.0
OF_DATABASE: Final = 1.0
#: adjtimex(2): "clock not synchronised", and a buffer that its structure fits into on every platform.
TIME_ERROR: Final = 5
BUFFER: Final = 1024
#: systemd-timesyncd touches it at each correction.
TIMESYNC: Final = Path("/run/systemd/timesync/synchronized")
SLACK: Final = "https://slack.com/"


def clock() -> Iterator[Finding]:
    """Is it synchronised; does it agree with the database's, and with that of an HTTPS neighbour?"""
    yield _synchronised()
    yield from _database()
    yield from _neighbour()


def system_says() -> bool | None:
    """Whether the clock is synchronised; None if nobody says."""
    state = _timedatectl()
    return _kernel() if state is None else state


def _synchronised() -> Finding:
    state = system_says()
    if state is None:
        return unknown("whether it is synchronised nobody says here", "Ask on the host: timedatectl.")
    return ok("synchronised, says the system") if state else warning("it is not synchronised", NTP)


def _timedatectl() -> bool | None:
    """It is systemd that knows also in a sandbox, which hides the kernel's call."""
    if not shutil.which("timedatectl"):
        return None
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())


def _kernel() -> bool | None:
    """adjtimex without a mode only reads. None where it is forbidden."""
    buffer = ctypes.create_string_buffer(BUFFER)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (OSError, AttributeError):
        return None
    return True if TIMESYNC.exists() else None if state < 0 else bool(state != TIME_ERROR)


def _database() -> Iterator[Finding]:
    db = bounded_wait.connection()
    if db.vendor != "postgresql" or missing_file(db):  # SQLite has ours
        return
    try:
        differs = bounded_wait.run_bounded(db, lambda: clock_differs(db))
    except (Error, OSError):
        yield unknown("the database's clock cannot be asked", "Bring the database back first.")
        return
    yield _compared(differs, OF_DATABASE, "the database's")


def _neighbour() -> Iterator[Finding]:
    address = next(_addresses(), None)
    if address is None:
        yield ok("no neighbour is set that could be asked for the time")
        return
    host = address.host
    try:
        with closing(request("HEAD", address, "/")) as answer:
            said = parsedate_to_datetime(answer.headers.get("Date") or "").timestamp()
    except (OSError, HTTPException, ValueError, TypeError) as error:
        yield unknown(f"{host} does not say its time: {error}", "The examination of that neighbour says more.")
        return
    yield _compared(said + 0.5 - time.time(), DIFFERS, f"that of {host}")


def _compared(differs: float, most: float, whose: str) -> Finding:
    if abs(differs) > most:
        side = "behind" if differs > 0 else "ahead of"
        return warning(f"it is {abs(differs):.0f} s {side} {whose}", NTP)
    return ok(f"it agrees with {whose}, within {most:g} s")


def _addresses() -> Iterator[Address]:
    """HTTPS neighbours; http:// is taken for tests on this machine."""
    for channel in conf.channels.values():
        options = channel.options
        urls = [options.get(name) for name in ("api_url", "webhook_url", "url")]
        found = [url for url in urls if isinstance(url, str) and urlsplit(url).scheme in {"http", "https"}]
        found += [SLACK] if options.get("token") else []
        yield from map(Address.of, found)
    if conf.heartbeat_url:
        yield Address.of(conf.heartbeat_url)
