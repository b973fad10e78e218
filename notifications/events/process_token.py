"""The token of a PROPPY_ID, before the colon: it names the process that wrote the event, and when that started."""

import os
import re
import secrets
import time
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

#: Boot, clock ticks since boot, random.
TOKEN: Final = re.compile(r"([0-9a-f]{8})-([0-9a-f]{1,15})-[0-9a-f]{8}")
#: A PROPPY_ID: token and number.
ID: Final = re.compile(r"([\w-]{1,64}):([1-9][0-9]{0,17})", re.ASCII)
#: The same of a SERIES event, whose loss is no loss: no END follows, and no number is missed.
SERIES_ID: Final = re.compile(r"([\w-]{1,64})#([1-9][0-9]{0,17})", re.ASCII)
TICKS: Final = os.sysconf("SC_CLK_TCK")
#: The clock of /proc/PID/stat: nobody can set it, and it runs while the machine sleeps.
CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Birth(NamedTuple):
    """When a process started: clock ticks since a boot. No change of the clock moves it."""

    boot: str
    ticks: int


@cache
def boot() -> str:
    """This boot, in 8 characters; eight zeros without Linux."""
    try:
        return BOOT_ID.read_text()[:8]
    except OSError:
        return "0" * 8


def now() -> Birth:
    return Birth(boot(), int(time.clock_gettime(CLOCK) * TICKS))


def new_token() -> str:
    """A token that no other process or fork has."""
    moment = now()
    return f"{moment.boot}-{moment.ticks:x}-{secrets.token_hex(4)}"


def time_of(birth: Birth) -> int | None:
    """Microseconds since 1970, by today's clock; None if that was another boot."""
    moment = now()
    if birth.boot != moment.boot:
        return None
    return time.time_ns() // 1000 - (moment.ticks - birth.ticks) * 1_000_000 // TICKS


def birth_of(token: str) -> Birth | None:
    """When a token was made; None for one that is not from `new_token`."""
    match = TOKEN.fullmatch(token)
    return Birth(match[1], int(match[2], 16)) if match else None
