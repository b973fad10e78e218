"""Rate limits per client: fixed windows, counted in this process, without a database or a broker.

Each process counts alone, so two let twice as many requests pass. nginx's limit_req counts for the whole machine
(deploy/nginx/proppy.conf).
"""

import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cache, lru_cache
from typing import ClassVar, Final, NamedTuple
from weakref import WeakSet

from notifications.conf import Source, conf
from notifications.errors import RateLimited
from notifications.http.rate_limit_report import refusals
from notifications.utils import addresses
from notifications.utils.forks import renew_after_fork

#: The most keys of one limit: at most 16 MB if all of them are addresses.
MOST_KEYS: Final = 50_000
#: Each new window frees so many ended ones: more than one, so that memory shrinks after a flood.
FREED_AT_ONCE: Final = 8
LONGEST_KEY: Final = 320
RATE: Final = re.compile(r"([0-9]{1,9}) ?(?:/|per) ?([0-9]{1,9})? ?(second|minute|hour|day)s?", re.ASCII)
UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class BoundedMemory:
    """Counts hits in fixed windows of one length. Beyond `most` keys, it drops the window that ends first.

    `clock` returns seconds that never go back.
    """

    def __init__(self, most: int = MOST_KEYS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self.after_fork()
        renew_after_fork(self)

    def __len__(self) -> int:
        return len(self._windows)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        #: The hits, and when the window ends; ordered by that.
        self._windows: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def incr(self, key: str, expiry: float) -> int:
        """Count a hit in a window of `expiry` seconds, which starts with its first hit. Returns its hits so far."""
        now = self._clock()
        with self._lock:
            count, end = self._windows.get(key, (0, now))
            if end <= now:
                self._make_room(key, now)
                count, end = 0, now + expiry
            self._windows[key] = count + 1, end
        return count + 1

    def _make_room(self, key: str, now: float) -> None:
        self._windows.pop(key, None)  # incr() adds it again, as the last
        for _ in range(FREED_AT_ONCE):
            if not self._windows or (len(self._windows) < self._most and self._first_end() > now):
                return
            self._windows.popitem(last=False)

    def _first_end(self) -> float:
        return next(iter(self._windows.values()))[1]

    def seconds_left(self, key: str) -> float:
        """Seconds until the window ends; 0 without a window."""
        return max(0.0, self._windows.get(key, (0, 0.0))[1] - self._clock())

    def clear(self, key: str) -> None:
        with self._lock:
            self._windows.pop(key, None)


class RateLimit:
    """Limits the hits of each key in a window that starts with the first of them. Any thread may ask.

    `rate` is "20/hour" or "5 per 10 minutes", for example. Raises ValueError if it is invalid. REPORT events count the
    refusals under `name`. NOTIFICATIONS_RATE_LIMITS = False lets everything pass.
    """

    _all: ClassVar["WeakSet[RateLimit]"] = WeakSet()

    def __init__(self, name: str, rate: str, *, storage: BoundedMemory | None = None) -> None:
        self.name, self.rate = name, rate
        self._rate = parse_rate(rate)
        self._storage = BoundedMemory() if storage is None else storage
        self._all.add(self)

    def hit(self, key: str) -> int:
        """Count a hit of the key. Returns 0 if it may pass, else the seconds to wait, at least 1."""
        key = key[:LONGEST_KEY]
        if not conf.rate_limits or self._storage.incr(key, self._rate.seconds) <= self._rate.hits:
            return 0
        refusals.add(self.name)
        return max(1, math.ceil(self._storage.seconds_left(key)))

    def forgive(self, key: str) -> None:
        """Forget the key's hits."""
        self._storage.clear(key[:LONGEST_KEY])

    @classmethod
    def forget_all(cls) -> None:
        """Forget all hits, as in a new process."""
        for limit in cls._all:
            limit._storage.after_fork()


class Rate(NamedTuple):
    """So many hits may pass in so many seconds."""

    hits: int
    seconds: int


def parse_rate(rate: object) -> Rate:
    """Parse a rate such as "120/minute" or "5 per 10 minutes". Raises ValueError if it is invalid, or zero."""
    match = RATE.fullmatch(rate) if isinstance(rate, str) else None
    parsed = Rate(int(match[1]), int(match[2] or 1) * UNITS[match[3]]) if match else Rate(0, 0)
    if not all(parsed):
        raise ValueError(f"{rate!r} is not a rate")
    return parsed


def client_key(address: str) -> str:
    """The key of a client, from proxies.client_address(). For IPv6 its /64 network: each host has one or more."""
    return _network(address) if ":" in address else address


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        parsed = addresses.parse(address)
    except ValueError:
        return address
    return str(parsed) if parsed.version == 4 else f"{parsed.exploded[:19]}::/64"


def check_source_rate(source: Source, address: str) -> None:
    """Raise RateLimited if the client at this address posts more often than the source's `rate`."""
    rate = source.rate_limit
    limit = _source_limit(source.name, rate) if rate else None
    if limit is not None and (seconds := limit.hit(client_key(address))):
        raise RateLimited(f"more than {limit.rate} from your address to {source.name}", retry_after=seconds)


@cache
def _source_limit(source: str, rate: str) -> RateLimit | None:
    try:
        return RateLimit(f"in/{source}", rate)
    except ValueError:  # `manage.py check` reports it
        return None
