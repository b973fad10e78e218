"""What a clock that was ahead has written, and no right clock would: times that are too far away."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import models
from django.db.models import Case, ExpressionWrapper, F, Q, Value, When
from django.db.models.expressions import RawSQL

from notifications.models.aware_times import AwareDateTimeField
from notifications.models.states import State
from notifications.utils.retry_delay import LONGEST
from notifications.utils.times import utc_now

#: A payload that was received so much later than now came while a clock was ahead. Those of other machines may differ.
AHEAD: Final = timedelta(seconds=1)
#: No attempt after a failure is further away, and no lease that is so much longer than the longest one is real.
TOO_FAR: Final = timedelta(seconds=LONGEST, minutes=10)
#: Rows that one call changes: SQLite has one writer.
BATCH: Final = 250
#: Nobody has looked at it, and it is due at its time of receipt or later. The state as an expression: else SQLite
#: reads all that is due, instead of what is in the future by the index raw_time.
AS_RECEIVED: Final = RawSQL(
    "state || '' = 'received' AND next_attempt_at >= received_at", [], output_field=models.BooleanField()
)


class ClockCorrections(models.QuerySet[Any]):
    """Each is quick on millions of rows, and changes up to BATCH. Raises database errors."""

    def from_future(self) -> "ClockCorrections":
        """Payloads received while a clock was ahead."""
        return self.filter(received_at__gt=utc_now() + AHEAD)

    def correct_received(self) -> int:
        """Make new payloads from the future due: now, or after the wait that their sender asked for. Returns how many.

        That wait counts from their receipt, so from now: when that was is unknown. Such a payload becomes `retrying`,
        since by its times alone it would wait again.
        """
        pks = list(self.from_future().filter(AS_RECEIVED).order_by("received_at").values_list("pk", flat=True)[:BATCH])
        if not pks:
            return 0
        wait = F("next_attempt_at") - F("received_at")
        now = Value(utc_now(), AwareDateTimeField())
        waits = When(next_attempt_at__gt=F("received_at"), then=Value(State.RETRYING))
        return self.filter(AS_RECEIVED, pk__in=pks).update(
            state=Case(waits, default=Value(State.RECEIVED)),
            next_attempt_at=ExpressionWrapper(now + wait, output_field=AwareDateTimeField()),
        )

    def correct_retries(self) -> int:
        """Make failed payloads due whose next attempt is further away than any back-off. Returns how many.

        Others may wait as long as somebody wants: for a RetryAt, or their turn in a replay.
        """
        now = utc_now()
        failed = Q(state=State.RETRYING, attempts__gt=0, failure__isnull=False)
        pks = list(self.filter(failed, next_attempt_at__gt=now + TOO_FAR).values_list("pk", flat=True)[:BATCH])
        return self.filter(failed, pk__in=pks).update(next_attempt_at=now) if pks else 0

    def leased_too_far(self, longest_lease: float) -> list[Any]:
        """Tokens of claims that end later than any can: a clock was ahead when they were made."""
        latest: datetime = utc_now() + timedelta(seconds=longest_lease) + TOO_FAR
        claims = self.filter(state=State.PROCESSING, next_attempt_at__gt=latest)
        return list(claims.order_by().values_list("lease_token", flat=True).distinct())
