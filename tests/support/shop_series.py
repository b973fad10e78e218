"""Series of a shop: its traffic by the hour of the day, a release that made one route slow, an outage of Slack, a loss.

As a script, for 30 days: manage.py shell -c "from tests.support.shop_series import fill_series; fill_series(43200)"
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from notifications.database.fast_sql import table_of, time_value
from notifications.models import Series
from notifications.models.series import EPOCH, Step
from notifications.utils.histogram import BOUNDS, added, text_of
from notifications.utils.times import utc_now

#: Requests a minute at noon, and the median in ms.
ROUTES: Final = {
    "GET /": (120.0, 18.0),
    "GET /photos/": (60.0, 45.0),
    "GET /photos/<int:pk>/": (90.0, 30.0),
    "POST /photos/": (8.0, 160.0),
    "GET /sign-in/": (10.0, 12.0),
    "POST /sign-in/": (6.0, 95.0),
    "POST /contact/": (2.0, 25.0),
    "GET /search/": (25.0, 210.0),
    "POST /in/<str:source>/": (40.0, 4.0),
    "GET unknown": (3.0, 2.0),
}
SOURCES: Final = {"stripe": 12.0, "contact": 2.0, "photo": 8.0}
CHANNELS: Final = {"SLACK": 3.0, "REPORT": 14.0, "OPS": 0.4}
SLOW: Final = "GET /photos/<int:pk>/"
GAUGES: Final = frozenset({"waiting", "oldest", "lag"})
#: Samples of a gauge in a minute.
SAMPLES: Final = 6
#: The spread of durations: of a normal distribution of their logarithms.
SIGMA: Final = 0.6
CHUNK: Final = 20_000
#: Count, total, highest, buckets.
Values = tuple[int, float, float, list[int]]
#: Of a name and label.
Counted = tuple[str, str, Values]


@dataclass
class Shop:
    """What happened, in minutes before the end. `release`: when 1.5.0 came, which doubled the times of SLOW.

    `outage`: when Slack was down, from and to. `lost`: when an event was lost. `busy`: a factor of all traffic.
    """

    release: int | None = 40
    outage: tuple[int, int] | None = (25, 10)
    lost: int | None = 18
    busy: float = 1.0
    more_routes: int = 0
    seed: int = 7
    factor: float = 2.0
    routes: dict[str, tuple[float, float]] = field(default_factory=lambda: dict(ROUTES))

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        for number in range(self.more_routes):
            self.routes[f"GET /pages/{number}/"] = (1.0 + number % 7, 10.0 + 13 * (number % 11))

    def minute(self, ago: int, hour: float) -> Iterator[Counted]:
        """Name, label, count, total, highest and buckets of each series, `ago` minutes before the end."""
        day = self.busy * (0.55 - 0.45 * math.cos(hour / 24 * 2 * math.pi))
        is_new = self.release is not None and ago <= self.release
        for route, (rate, median) in self.routes.items():
            count = self._poisson(rate * day)
            slower = self.factor if is_new and route == SLOW else 1.0
            yield from self._timed("requests", route, count, median * slower)
            if count and self.random.random() < count * 2e-6:
                yield "errors", route, (1, 0.0, 0.0, [])
        for source, rate in SOURCES.items():
            count = self._poisson(rate * day)
            yield from self._timed("received", source, count, 3.0)
            yield from self._timed("handled", source, count, 40.0)
            yield from self._timed("failed", source, self._poisson(0.01 * count), 40.0)
            yield self._gauge("waiting", source, self._poisson(0.3 * rate * day))
        yield self._gauge("oldest", "", self.random.random())
        yield from self._events(ago, day)
        release = "1.5.0" if is_new else "1.4.2"
        yield "releases", release, (self._poisson(300 * day) + 60, 0.0, 0.0, [])

    def _events(self, ago: int, day: float) -> Iterator[Counted]:
        for channel, rate in CHANNELS.items():
            is_down = channel == "SLACK" and self.outage is not None and self.outage[1] < ago <= self.outage[0]
            is_back = channel == "SLACK" and self.outage is not None and ago == self.outage[1]
            waited = (self.outage[0] - ago) * 60.0 if is_down and self.outage else 0.0
            yield self._gauge("lag", channel, waited)
            count = self._poisson(rate * day) + (60 if is_back else 0)
            if count and not is_down:
                yield "delivered", channel, (count, 0.0, 0.0, [])
        if ago == self.lost:
            yield "lost", "SLACK", (3, 0.0, 0.0, [])

    def _timed(self, name: str, label: str, count: int, median: float) -> Iterator[Counted]:
        if not count:
            return
        shares = _shares(median)
        buckets = [int(count * share + self.random.random()) for share in shares]
        while sum(buckets) < count:
            buckets[shares.index(max(shares))] += 1
        top = max(number for number, of in enumerate(buckets) if of)
        buckets = buckets[: top + 1]
        yield name, label, (sum(buckets), count * median * 1.2, BOUNDS[min(top, len(BOUNDS) - 1)], buckets)

    def _gauge(self, name: str, label: str, value: float) -> Counted:
        return name, label, (SAMPLES, SAMPLES * value * 0.6, value, [])

    def _poisson(self, mean: float) -> int:
        return max(0, round(self.random.gauss(mean, math.sqrt(mean)))) if mean > 3 else self._small(mean)

    def _small(self, mean: float) -> int:
        left, count = math.exp(-mean), 0
        product = self.random.random()
        while product > left:
            product *= self.random.random()
            count += 1
        return count


_known: dict[float, list[float]] = {}


def _shares(median: float) -> list[float]:
    """The part of each bucket, for durations around this median."""
    if median not in _known:
        below = [0.5 * (1 + math.erf(math.log(bound / median) / SIGMA / math.sqrt(2))) for bound in BOUNDS]
        _known[median] = [high - low for low, high in zip([0.0, *below], [*below, 1.0], strict=False)]
    return _known[median]


class _Rows:
    """Rows of all steps; minutes are written as they come."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, Step, datetime], Values] = {}
        self._minutes: list[tuple[object, ...]] = []

    def add(self, start: datetime, points: Iterator[Counted]) -> None:
        found: dict[tuple[str, str], Values] = {}
        for name, label, values in points:
            for each in {label, ""}:
                before = found.get((name, each))
                found[name, each] = _together(name, before, values) if before else values
        for (name, label), values in found.items():
            self._minutes.append((Step.MINUTE.value, start, name, label, *values[:3], text_of(values[3])))
            for step in (Step.HOUR, Step.DAY, Step.EVER):
                key = name, label, step, step.start_of(start)
                sums = self._sums.get(key)
                self._sums[key] = _added(sums, values) if sums else values
        if len(self._minutes) >= CHUNK:
            self.write()

    def write(self) -> None:
        _insert(self._minutes)
        self._minutes = []

    def finish(self) -> None:
        self.write()
        _insert(
            [
                (step.value, start, name, label, *values[:3], text_of(values[3]))
                for (name, label, step, start), values in self._sums.items()
            ]
        )


def _together(name: str, some: Values, others: Values) -> Values:
    """Two labels of one minute."""
    if name not in GAUGES:
        return _added(some, others)
    highest = some[2] + others[2] if name == "waiting" else max(some[2], others[2])
    return some[0], some[1] + others[1], highest, []


def _added(some: Values, others: Values) -> Values:
    return some[0] + others[0], some[1] + others[1], max(some[2], others[2]), added(some[3], others[3])


def _insert(rows: list[tuple[object, ...]]) -> None:
    values = [(step, time_value(connection, start), *rest) for step, start, *rest in rows]
    sql = (
        f"INSERT INTO {table_of(Series)} (step, start, name, label, count, total, highest, buckets)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    )
    with connection.cursor() as cursor:
        cursor.executemany(sql, values)


def fill_series(minutes: int = 120, *, until: datetime | None = None, shop: Shop | None = None) -> datetime:
    """Write the series of so many minutes before `until` (now). Returns the end: the start of the minute that runs."""
    end, shop, rows = Step.MINUTE.start_of(until or utc_now()), shop or Shop(), _Rows()
    with transaction.atomic():
        for ago in range(minutes, 0, -1):
            start = end - timedelta(minutes=ago)
            hour = (start - EPOCH).total_seconds() / 3600 % 24
            rows.add(start, shop.minute(ago, hour))
        rows.finish()
    return end
