"""The token of a PROPPY_ID, what is before the colon: whose number it is, and when that process began to be one."""

import os
import re
import secrets
import time
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

#: Boot, clock ticks since boot, chance.
TOKEN: Final = re.compile(r"([0-9a-f]{8})-([0-9a-f]{1,15})-[0-9a-f]{8}")
TICKS: Final = os.sysconf("SC_CLK_TCK")
#: As in /proc/PID/stat: nobody sets it, and it goes on while the machine sleeps.
CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Birth(NamedTuple):
    """A moment that no change of the clock moves: clock ticks since a boot."""

    boot: str
    ticks: int


@cache
def boot() -> str:
    """Which boot this is, in 8 characters; the same for all where there is no Linux."""
    try:
        return BOOT_ID.read_text()[:8]
    except OSError:
        return "0" * 8


def now() -> Birth:
    return Birth(boot(), int(time.clock_gettime(CLOCK) * TICKS))


def new_token() -> str:
    """One that no other process has, and no other fork."""
    moment = now()
    return f"{moment.boot}-{moment.ticks:x}-{secrets.token_hex(4)}"


def birth_of(token: str) -> Birth | None:
    """When a token was made; None for one that `new_token` has not made."""
    match = TOKEN.fullmatch(token)
    return Birth(match[1], int(match[2], 16)) if match else None
