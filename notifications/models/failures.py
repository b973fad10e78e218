"""Failures that look the same, as one group: people fix a line of code, not each payload that failed there."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from django.db import models
from django.db.models import F, Q

from notifications.models.aware_times import AwareDateTimeField

if TYPE_CHECKING:
    from notifications.utils.failure_fingerprint import Failure

#: A failure that was not seen for this long is reported as new.
QUIET: Final = timedelta(days=1)


class Noted(NamedTuple):
    """The group of a failure. `new`: never seen, or not for a day; only one caller gets True."""

    pk: int
    new: bool


class FailureGroupQuerySet(models.QuerySet["FailureGroup"]):
    def note(self, source: str, failure: "Failure", now: datetime) -> Noted:
        """Count one failed attempt, in the caller's transaction."""
        key = {"source": source, "fingerprint": failure.fingerprint}
        seen = {"title": failure.title, "place": failure.place, "last_at": now}
        ours, is_new = self.filter(**key), Q(attempts=0) | Q(last_at__lt=now - QUIET)
        while True:  # again if it is the first, or the group was just made or pruned
            # Each excludes the other: another worker may make the group between the two, and it must not count twice.
            for new, rows in ((True, ours.filter(is_new)), (False, ours.exclude(is_new))):
                if rows.update(attempts=F("attempts") + 1, **seen):
                    return Noted(ours.values_list("pk", flat=True).get(), new)
            self.get_or_create(**key, defaults=seen | {"first_at": now})


class FailureGroup(models.Model):
    """Failed attempts of a source with one fingerprint: the exception's type, and the line of one's own code.

    `title` and `place` are those of the last one. `payloads` are those that fail this way now: dead, or waiting for
    their next attempt.
    """

    source = models.TextField()
    fingerprint = models.TextField()
    title = models.TextField(help_text="Type and message of the exception")
    place = models.TextField(blank=True, help_text="File, line and function")
    first_at = AwareDateTimeField()
    last_at = AwareDateTimeField(db_index=True)
    attempts = models.PositiveBigIntegerField(default=0, help_text="Attempts that failed so, ever")

    objects: ClassVar[FailureGroupQuerySet] = FailureGroupQuerySet.as_manager()  # type: ignore[assignment]  # as in payload.py

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "fingerprint"], name="failure_key")]

    def __str__(self) -> str:
        return f"{self.source}: {self.title}"
