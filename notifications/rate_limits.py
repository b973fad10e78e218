"""How often one client may come: fixed windows, counted in this process, without a database or a broker.

Each process counts for itself: two instances together let twice as much pass. nginx's limit_req counts for the whole
machine (deploy/nginx/proppy.conf).
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, ClassVar, Final
from weakref import WeakSet

from limits import RateLimitItem, parse_many
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from notifications import addresses
from notifications.conf import Source, conf
from notifications.errors import RateLimited
from notifications.forks import renew_after_fork
from notifications.proxies import client_address
from notifications.refusals import refusals

#: Keys that a limit remembers at most: 16 MB, where all of them are addresses.
MOST_KEYS: Final = 50_000
#: Ended windows that are freed with each new one: more than one, so that memory shrinks after a flood.
FREED_AT_ONCE: Final = 8
LONGEST_KEY: Final = 320


class BoundedMemory(Storage):
    """Counts fixed windows of one length. Beyond `most` keys the window that ends first is forgotten.

    In place of MemoryStorage of limits, which has no bound, starts a thread to look for what has expired, and with a
    million keys keeps a core busy doing so. `clock` gives seconds that never go back.
    """

    STORAGE_SCHEME = ["bounded-memory"]

    def __init__(self, most: int = MOST_KEYS, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most, self._clock = most, clock
        self.after_fork()
        renew_after_fork(self)

    def __len__(self) -> int:
        return len(self._windows)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        #: How often, and when the window ends; in the order of their ends.
        self._windows: OrderedDict[str, tuple[int, float]] = OrderedDict()

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        return ()

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, in a window of `expiry` seconds that begins with its first hit; how often it is by now."""
        now = self._clock()
        with self._lock:
            count, end = self._windows.get(key, (0, now))
            if end <= now:
                self._make_room(key, now)
                count, end = 0, now + expiry
            self._windows[key] = count + amount, end
        return count + amount

    def _make_room(self, key: str, now: float) -> None:
        self._windows.pop(key, None)  # it comes in again, as the last
        for _ in range(FREED_AT_ONCE):
            if not self._windows or (len(self._windows) < self._most and self._first_end() > now):
                return
            self._windows.popitem(last=False)

    def _first_end(self) -> float:
        return next(iter(self._windows.values()))[1]

    def get(self, key: str) -> int:
        """How often it is by now."""
        count, end = self._windows.get(key, (0, 0.0))
        return count if end > self._clock() else 0

    def get_expiry(self, key: str) -> float:
        """When the window ends, in seconds since 1970."""
        return time.time() + self.seconds_left(key)

    def seconds_left(self, key: str) -> float:
        """Until the window ends; 0 where there is none."""
        return max(0.0, self._windows.get(key, (0, 0.0))[1] - self._clock())

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        known = len(self)
        self.after_fork()
        return known

    def clear(self, key: str) -> None:
        with self._lock:
            self._windows.pop(key, None)


class RateLimit:
    """At most so many hits for each key in a window that begins with the first of them. Any thread may ask.

    `rate` is such as "20/hour" or "5 per 10 minutes"; ValueError where it is not. `name` is what refusals are counted
    under, in REPORT events. NOTIFICATIONS_RATE_LIMITS = False lets everything pass.
    """

    _all: ClassVar["WeakSet[RateLimit]"] = WeakSet()

    def __init__(self, name: str, rate: str, *, storage: BoundedMemory | None = None) -> None:
        self.name, self.rate = name, rate
        self._item = parse_rate(rate)
        self._storage = BoundedMemory() if storage is None else storage
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._all.add(self)

    def hit(self, key: str) -> int:
        """Count one for the key: 0 where it may pass, else the seconds, at least 1, until there is room again."""
        key = key[:LONGEST_KEY]
        if not conf.rate_limits or self._limiter.hit(self._item, key):
            return 0
        refusals.add(self.name)
        return max(1, math.ceil(self._storage.seconds_left(self._item.key_for(key))))

    def forgive(self, key: str) -> None:
        """Forget what the key has used up."""
        self._limiter.clear(self._item, key[:LONGEST_KEY])

    @classmethod
    def forget_all(cls) -> None:
        """Know nothing, as a process that has just started."""
        for limit in cls._all:
            limit._storage.reset()


def parse_rate(rate: object) -> RateLimitItem:
    """The rate that a text such as "120/minute" names; ValueError where it names none, or more than one."""
    items = parse_many(rate) if isinstance(rate, str) else []
    if len(items) != 1 or items[0].amount < 1:
        raise ValueError(f"{rate!r} is no rate")
    return items[0]


def client_key(meta: Mapping[str, Any]) -> str:
    """Who sends a request: its address behind trusted proxies; of IPv6 the /64 network, which one host has at least."""
    address = client_address(meta)
    return _network(address) if ":" in address else address


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        parsed = addresses.parse(address)
    except ValueError:
        return address
    return str(parsed) if parsed.version == 4 else f"{parsed.exploded[:19]}::/64"


def check_source_rate(source: Source, meta: Mapping[str, Any]) -> None:
    """Raise RateLimited where this client posts to the source more often than its `rate`."""
    limit = _source_limit(source.name, source.rate_limit) if source.rate_limit else None
    if limit is not None and (seconds := limit.hit(client_key(meta))):
        raise RateLimited(f"more than {limit.rate} from your address to {source.name}", retry_after=seconds)


@cache
def _source_limit(source: str, rate: str) -> RateLimit | None:
    try:
        return RateLimit(f"in/{source}", rate)
    except ValueError:  # `manage.py check` has said so
        return None
