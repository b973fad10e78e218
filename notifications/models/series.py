"""Time series: what was counted in each minute, hour and day, and since ever. SERIES events bring it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from django.db import models

from notifications.models.aware_times import AwareDateTimeField
from notifications.utils.histogram import counts_of
from notifications.utils.sums import Sum

#: The start of what is counted since ever.
EPOCH: Final = datetime.fromtimestamp(0, UTC)
COLUMNS: Final = ("name", "label", "count", "total", "highest", "buckets")


class Step(models.IntegerChoices):
    """Seconds that a row covers."""

    EVER = 0
    MINUTE = 60
    HOUR = 3600
    DAY = 86400

    def start_of(self, moment: datetime) -> datetime:
        """When the row begins that this moment falls into, in UTC."""
        return moment - (moment - EPOCH) % timedelta(seconds=self) if self else EPOCH


class SeriesQuerySet(models.QuerySet["Series"]):
    def ever(self) -> Iterator[tuple[str, str, Sum]]:
        """Name, label, and what was counted since ever, of each series. One query."""
        rows = self.filter(step=Step.EVER).order_by("name", "label").values_list(*COLUMNS)
        for name, label, count, total, highest, text in rows:
            yield name, label, Sum(count, total, highest, counts_of(text))


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
