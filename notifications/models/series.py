"""Time series: what was counted in each minute, hour and day, and since ever. SERIES events bring it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from django.db import models

from notifications.models.aware_times import AwareDateTimeField
from notifications.utils.histogram import counts_of

#: The start of what is counted since ever.
EPOCH: Final = datetime.fromtimestamp(0, UTC)
COLUMNS: Final = ("name", "label", "start", "count", "total", "highest", "buckets")


class Step(models.IntegerChoices):
    """Seconds that a row covers."""

    EVER = 0
    MINUTE = 60
    HOUR = 3600
    DAY = 86400

    def start_of(self, moment: datetime) -> datetime:
        """When the row begins that this moment falls into, in UTC."""
        return moment - (moment - EPOCH) % timedelta(seconds=self) if self else EPOCH


@dataclass(frozen=True, slots=True)
class Point:
    """One row. `total` is the sum of what was measured (ms, bytes, …), `highest` the highest of it. `buckets`: a
    histogram of milliseconds (utils/histogram.py), empty where none is kept.
    """

    start: datetime
    count: int
    total: float
    highest: float
    buckets: tuple[int, ...]


class SeriesQuerySet(models.QuerySet["Series"]):
    def points(
        self, names: Collection[str], step: Step, since: datetime, until: datetime, labels: Collection[str] = ()
    ) -> dict[tuple[str, str], list[Point]]:
        """By name and label, in order of time; a row that is not there had nothing to count. One query.

        `since` is included if a row starts there, `until` is not. `labels`: only these, if any is given; "" is all
        labels of a name together.
        """
        chosen = self.filter(name__in=names, step=step, start__gte=since, start__lt=until)
        if labels:
            chosen = chosen.filter(label__in=labels)
        found: dict[tuple[str, str], list[Point]] = {}
        for name, label, start, count, total, highest, text in chosen.order_by("start").values_list(*COLUMNS):
            found.setdefault((name, label), []).append(Point(start, count, total, highest, tuple(counts_of(text))))
        return found

    def ever(self) -> Iterator[tuple[str, str, Point]]:
        """Name, label, and what was counted since ever, of each series. One query."""
        rows = self.filter(step=Step.EVER).order_by("name", "label").values_list(*COLUMNS)
        for name, label, start, count, total, highest, text in rows:
            yield name, label, Point(start, count, total, highest, tuple(counts_of(text)))


class Series(models.Model):
    """One point of a series. docs/series.md names the series and their labels."""

    step = models.PositiveIntegerField(choices=Step.choices)
    start = AwareDateTimeField()
    name = models.TextField()
    label = models.TextField(blank=True, help_text="Route, source, channel or release; empty is all of them together")
    count = models.BigIntegerField(default=0)
    total = models.FloatField(default=0)
    highest = models.FloatField(default=0)
    buckets = models.TextField(blank=True, default="", help_text="Counts of a histogram, with commas between them")

    objects: ClassVar[SeriesQuerySet] = SeriesQuerySet.as_manager()  # type: ignore[assignment]  # as in payload.py

    class Meta:
        verbose_name_plural = "series"
        constraints = [models.UniqueConstraint(fields=["name", "step", "start", "label"], name="series_key")]
        indexes = [models.Index(fields=["step", "start"], name="series_age")]

    def __str__(self) -> str:
        return f"{self.name} {self.label} {self.start:%Y-%m-%d %H:%M}"


class Status(Series):
    """The place of the status page in the admin: its address, its entry in the list of models, its permission."""

    class Meta:
        proxy = True
        verbose_name = verbose_name_plural = "status"
