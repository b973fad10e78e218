"""Attempts that failed, and the success that followed: they stay until their payload is deleted.

A first attempt that succeeds writes nothing here, until its payload is replayed.
"""

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.core.exceptions import EmptyResultSet
from django.db import connections, models
from django.db.models import Exists, OuterRef

from notifications.conf import conf
from notifications.database.fast_sql import table_of
from notifications.models.aware_times import AwareDateTimeField
from notifications.utils.clean_text import clean
from notifications.utils.failure_fingerprint import shortened
from notifications.utils.times import utc_now
from notifications.utils.worker_name import worker_name

if TYPE_CHECKING:
    from notifications.models.payload import RawPayload

#: Attempts to keep of a payload: its first one and the last ones. It may be retried for days.
MOST: Final = 50
#: Characters of a traceback, and of the handler's log lines, to keep of one attempt.
LONGEST: Final = 16 * 1024


class Outcome(models.TextChoices):
    #: It is tried again.
    FAILED = "failed"
    #: It is not.
    DEAD = "dead"
    #: Another transaction was in its way: it is tried again.
    CONFLICT = "conflict"
    #: Its worker died or was stopped hard.
    LOST = "worker lost"
    DONE = "done"


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def record(self, payload: "RawPayload", outcome: Outcome, **columns: Any) -> None:
        """Record an attempt that ends now, in the caller's transaction; only MOST of its payload stay."""
        took = time.monotonic() - payload.started if payload.started else None
        self.create(
            payload_id=payload.pk,
            number=payload.attempts,
            started_at=None if took is None else utc_now() - timedelta(seconds=took),
            milliseconds=None if took is None else took * 1000,
            outcome=outcome,
            **{"worker": worker_name(), "release": conf.release} | columns,
        )
        self._forget_middle(payload.pk)

    def record_failure(
        self, payload: "RawPayload", outcome: Outcome, text: str, *, log: str = "", **columns: Any
    ) -> None:
        """`record` with a traceback or reason, and with what the handler logged."""
        texts = {"traceback": clean(shortened(text, LONGEST)), "log": clean(shortened(log, LONGEST))}
        self.record(payload, outcome, **texts, **columns)

    def record_successes(self, payloads: "models.QuerySet[RawPayload]") -> None:
        """Record those successes of `payloads` that were at the first attempt, and so are not yet: they are replayed.

        In the caller's transaction.
        """
        known = self.filter(payload=OuterRef("pk"), outcome=Outcome.DONE, ended_at__gte=OuterRef("done_at"))
        rows = (
            payloads.filter(~Exists(known), done_at__isnull=False).order_by().values_list("pk", "attempts", "done_at")
        )
        try:
            select, parameters = rows.query.get_compiler(self.db).as_sql()
        except EmptyResultSet:
            return
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table_of(self.model)}"
                ' ("payload_id", "number", "ended_at", "outcome", "worker", "release")'
                f" SELECT chosen.*, %s, '', '' FROM ({select}) AS chosen",
                [Outcome.DONE.value, *parameters],
            )

    def _forget_middle(self, payload_id: int) -> None:
        ours = self.filter(payload_id=payload_id)
        # The first one stays, so one more goes.
        last_to_go = ours.order_by("-pk").values_list("pk", flat=True)[MOST - 1 : MOST]
        for pk in last_to_go:
            first = ours.order_by("pk").values_list("pk", flat=True)[:1]
            ours.filter(pk__lte=pk).exclude(pk__in=list(first)).delete()


class Attempt(models.Model):
    """One call of a handler. The payload may be gone: there is no constraint, and `prune_raw` tidies up.

    `number` counts from 1 again after a replay. What nobody knows of a lost worker is empty.
    """

    payload = models.ForeignKey("RawPayload", models.DO_NOTHING, db_constraint=False, db_index=False)
    number = models.PositiveIntegerField()
    started_at = AwareDateTimeField(null=True)
    ended_at = AwareDateTimeField(auto_now_add=True)
    milliseconds = models.FloatField(null=True)
    worker = models.TextField(blank=True, help_text="Machine and process id")
    release = models.TextField(blank=True)
    outcome = models.TextField(choices=Outcome.choices)
    failure = models.ForeignKey("FailureGroup", models.DO_NOTHING, null=True, db_constraint=False, db_index=False)
    traceback = models.TextField(blank=True, db_default="")
    log = models.TextField(blank=True, db_default="", help_text="The last lines that the handler logged")

    objects: ClassVar[AttemptQuerySet] = AttemptQuerySet.as_manager()  # type: ignore[assignment]  # as in payload.py

    class Meta:
        indexes = [models.Index(fields=["payload", "id"], name="attempt_payload")]

    def __str__(self) -> str:
        return f"Attempt {self.number}: {self.outcome}"
