"""Failures that look the same, as one group: people fix a line of code, not each payload that failed there."""

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from django.db import connections, models, transaction
from django.db.models import F, Q
from django.utils import timezone

from notifications.conf import conf
from notifications.database.fast_sql import execute, table_of, time_value
from notifications.events.failure_alerts import Group, groups_resolved
from notifications.models.aware_times import AwareDateTimeField
from notifications.models.operator_actions import OperatorAction
from notifications.signals import failure_group_changed
from notifications.utils.clean_text import clean
from notifications.utils.failure_fingerprint import shortened
from notifications.utils.times import utc_now

if TYPE_CHECKING:
    from notifications.utils.failure_fingerprint import Failure

#: A failure that was not seen for this long is reported as new.
QUIET: Final = timedelta(days=1)
#: Characters of the last traceback to keep.
LONGEST: Final = 16 * 1024
#: Failed attempts are counted by the hour, for so long.
KEEP_HOURS: Final = timedelta(days=7)


class GroupState(models.TextChoices):
    OPEN = "open"
    #: Somebody works at it.
    ACKNOWLEDGED = "acknowledged"
    #: It is not reported until a time.
    MUTED = "muted"
    #: If it fails once more it is open again, and reported.
    RESOLVED = "resolved"


class Noted(NamedTuple):
    """The group of a failure, and what is to be reported of it. Only one caller gets True for each.

    `new`: never seen, or not for a day, or for the first time since a mute has run out; `again`: it was resolved, at
    `resolved_at` by `resolved_by`, also if it was muted after that; `first_dead`: this payload is its first dead one
    since it was made or resolved. While it is muted all are False.
    """

    pk: int
    new: bool = False
    again: bool = False
    first_dead: bool = False
    muted: bool = False
    resolved_at: datetime | None = None
    resolved_by: str = ""


class FailureGroupQuerySet(models.QuerySet["FailureGroup"]):
    def note(self, source: str, failure: "Failure", now: datetime, *, dead: bool = False) -> Noted:
        """Count one failed attempt, in the caller's transaction. `dead`: it was the payload's last one."""
        key = {"source": source, "fingerprint": failure.fingerprint}
        seen = {
            "title": failure.title,
            "place": failure.place,
            "last_at": now,
            "last_release": conf.release,
            "traceback": shortened(failure.text, LONGEST),
            "frames": failure.frames,
        }
        ours = self.filter(**key)
        while True:  # again if it is the first, or the group was just made or pruned
            for kind, which, changes in _kinds(now):
                if ours.filter(which).update(attempts=F("attempts") + 1, **seen, **changes):
                    return self._noted(ours, kind, now, dead=dead)
            self.get_or_create(**key, defaults=seen | {"first_at": now, "first_release": conf.release})

    def acknowledge(self, by: str) -> int:
        """Somebody works at them. Returns how many it was news for, as each of these does."""
        return self._change("acknowledged", by, GroupState.ACKNOWLEDGED, resolved_at=None, resolved_by="")

    def mute(self, by: str, until: datetime) -> int:
        """Report nothing of them until a time."""
        note = f"until {timezone.localtime(until, timezone.get_default_timezone()):%Y-%m-%d %H:%M:%S %Z}"
        return self._change("muted", by, GroupState.MUTED, note, from_any=True, muted_until=until)

    def resolve(self, by: str) -> int:
        """They are mended: the next failure is reported."""
        resolved: dict[str, Any] = {"resolved_at": utc_now(), "resolved_by": clean(by), "reopened_at": None}
        return self._change("resolved", by, GroupState.RESOLVED, first_dead_at=None, **resolved)

    def reopen(self, by: str) -> int:
        """They are neither mended nor muted."""
        return self._change("reopened", by, GroupState.OPEN, resolved_at=None, resolved_by="")

    def _change(
        self, what: str, by: str, state: GroupState, note: str = "", *, from_any: bool = False, **columns: Any
    ) -> int:
        values = {"muted_until": None, **columns, "state": state, "state_by": clean(by), "state_at": utc_now()}
        rows = self if from_any else self.exclude(state=state)
        with transaction.atomic(using=self.db):
            pks = OperatorAction.objects.using(self.db).record(rows, what, by, note)
            self.model.objects.using(self.db).filter(pk__in=pks).update(**values)
            transaction.on_commit(partial(_say_changed, pks, state, by), using=self.db)
        return len(pks)

    def _noted(self, ours: "FailureGroupQuerySet", kind: str, now: datetime, *, dead: bool) -> Noted:
        pk, state, at, by = ours.values_list("pk", "state", "resolved_at", "resolved_by").get()
        FailureHour.objects.using(self.db).add_one(pk, now)
        if state == GroupState.MUTED:
            return Noted(pk, muted=True)
        first_dead = dead and bool(ours.filter(first_dead_at__isnull=True).update(first_dead_at=now))
        again = kind == "again"
        return Noted(
            pk,
            new=kind == "new",
            again=again,
            first_dead=first_dead,
            resolved_at=at if again else None,
            resolved_by=by if again else "",
        )


def _kinds(now: datetime) -> list[tuple[str, Q, dict[str, Any]]]:
    """What a failure is for its group: each excludes the others, and only one of two workers finds it so.

    The most frequent one first.
    """
    is_quiet = Q(attempts=0) | Q(last_at__lt=now - QUIET)
    is_live = Q(state__in=[GroupState.OPEN, GroupState.ACKNOWLEDGED])
    is_muted = Q(state=GroupState.MUTED)
    has_run_out = is_muted & ~Q(muted_until__gt=now)
    was_resolved = Q(resolved_at__isnull=False, reopened_at__isnull=True)
    opened = {"state": GroupState.OPEN, "state_by": "", "state_at": now, "muted_until": None}
    return [
        ("known", (is_live & ~is_quiet) | (is_muted & Q(muted_until__gt=now)), {}),
        ("new", is_live & is_quiet, {}),
        ("again", Q(state=GroupState.RESOLVED) | (has_run_out & was_resolved), opened | {"reopened_at": now}),
        ("new", has_run_out & ~was_resolved, opened),
    ]


def _say_changed(pks: list[int], state: GroupState, by: str) -> None:
    rows = FailureGroup.objects.filter(pk__in=pks).order_by("pk").values_list("pk", "source", "title")
    groups = [Group(*row) for row in rows]
    for pk, source, title in groups:
        failure_group_changed.send_robust(FailureGroup, pk=pk, source=source, title=title, state=state, by=by)
    if state == GroupState.RESOLVED and groups:
        groups_resolved(groups, by)


class FailureGroup(models.Model):
    """Failed attempts of a source with one fingerprint: the exception's type, and the line of one's own code.

    `title`, `place`, `traceback` and `frames` are those of the last one. `payloads` are those that fail this way now:
    dead, or waiting for their next attempt.
    """

    State = GroupState

    source = models.TextField()
    fingerprint = models.TextField()
    title = models.TextField(help_text="Type and message of the exception")
    place = models.TextField(blank=True, help_text="File, line and function")
    first_at = AwareDateTimeField()
    last_at = AwareDateTimeField(db_index=True)
    attempts = models.PositiveBigIntegerField(default=0, help_text="Attempts that failed so, ever")
    # An older release writes rows without these.
    first_release = models.TextField(blank=True, db_default="")
    last_release = models.TextField(blank=True, db_default="")
    traceback = models.TextField(blank=True, db_default="")
    frames = models.TextField(blank=True, db_default="", help_text="The frames of one's own code, innermost first")
    state = models.TextField(choices=GroupState.choices, db_default=GroupState.OPEN.value)
    state_by = models.TextField(blank=True, db_default="", help_text="Who set the state; empty if it came by itself")
    state_at = AwareDateTimeField(null=True)
    muted_until = AwareDateTimeField(null=True)
    resolved_by = models.TextField(blank=True, db_default="", help_text="Who resolved it last")
    resolved_at = AwareDateTimeField(null=True)
    reopened_at = AwareDateTimeField(null=True, help_text="When it failed again after that")
    first_dead_at = AwareDateTimeField(
        null=True, help_text="When its first payload died, since it was made or resolved"
    )

    objects: ClassVar[FailureGroupQuerySet] = FailureGroupQuerySet.as_manager()  # type: ignore[assignment]  # as in payload.py

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "fingerprint"], name="failure_key")]
        indexes = [models.Index(fields=["state"], name="failure_state")]

    def __str__(self) -> str:
        return f"{self.source}: {self.title}"


class FailureHourQuerySet(models.QuerySet["FailureHour"]):
    def add_one(self, failure_id: int, now: datetime) -> None:
        """Count one failed attempt, in the caller's transaction."""
        db, table = connections[self.db], table_of(self.model)
        hour = now.replace(minute=0, second=0, microsecond=0)
        execute(
            db,
            f'INSERT INTO {table} ("failure_id", "hour", "failed") VALUES (%s, %s, 1)'
            f' ON CONFLICT ("failure_id", "hour") DO UPDATE SET "failed" = {table}."failed" + 1',
            [failure_id, time_value(db, hour)],
        )


class FailureHour(models.Model):
    """How many attempts of a group failed in an hour. Kept for KEEP_HOURS."""

    failure = models.ForeignKey(
        FailureGroup, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="hours"
    )
    hour = AwareDateTimeField()
    failed = models.PositiveBigIntegerField()

    objects: ClassVar[FailureHourQuerySet] = FailureHourQuerySet.as_manager()  # type: ignore[assignment]  # as in payload.py

    class Meta:
        constraints = [models.UniqueConstraint(fields=["failure", "hour"], name="failure_hour")]

    def __str__(self) -> str:
        return f"{self.failed} in {self.hour}"
