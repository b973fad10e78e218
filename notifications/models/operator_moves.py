"""What operators do with payloads that no worker has claimed: every such change of state is a method here.

done, dead, retrying ── process_again ─→ retrying, at once
quarantined ─────────── admit ─────────→ received
received, retrying ──── give_up ───────→ dead

Nothing else leaves the quarantine: an unverified payload must not be handled by way of another state.
"""

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import models, transaction
from django.db.models import Case, Value, When
from django.db.models.functions import Concat

from notifications.models.attempts import Attempt
from notifications.models.aware_times import AwareDateTimeField
from notifications.models.operator_actions import OperatorAction
from notifications.models.states import DUE, REPLAYABLE, State
from notifications.utils.clean_text import clean
from notifications.utils.times import utc_now

#: Rows that one statement moves: SQLite has one writer, and old versions take 999 parameters.
BATCH: Final = 250


class PayloadMoves(models.QuerySet[Any]):
    """Each returns how many it moved. Claimed payloads are left alone.

    `by` and `note`: who did it, and how, recorded for each payload.
    """

    def process_again(
        self, *, by: str = "", note: str = "", at: datetime | None = None, apart: timedelta = timedelta(0)
    ) -> int:
        """Hand done, dead and retrying payloads to the workers, with no attempt counted.

        They become `retrying`: workers take one of those for each batch of received ones, so that live traffic never
        waits behind a replay. The first is due at `at` (now), each next one `apart` later, in order of arrival. The
        last error and its group stay until an attempt succeeds.
        """
        rows = self._not_claimed(REPLAYABLE)
        due, field = at or utc_now(), AwareDateTimeField()
        if not apart:
            return rows._make_due(by, note, Value(due, field))
        moved, last = 0, 0
        while pks := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
            due_at = [Value(due + (moved + n) * apart, field) for n in range(len(pks))]
            times = [When(pk=pk, then=each) for pk, each in zip(pks, due_at, strict=True)]
            moved += rows.filter(pk__in=pks)._make_due(by, note, Case(*times, output_field=field))
            last = pks[-1]
        return moved

    def admit(self, *, by: str = "", **receipt: uuid.UUID) -> int:
        """Hand quarantined payloads to the workers: somebody verified their signature, or wants them handled too.

        `receipt=…` sets the receipt that its key stands for, so that the key admits nothing else from now on. Raises
        IntegrityError if another payload has that receipt.
        """
        return self._not_claimed([State.QUARANTINED])._move(
            "let out of the quarantine", by, **receipt, state=State.RECEIVED, next_attempt_at=utc_now(), error=""
        )

    def give_up(self, by: str) -> int:
        """Make waiting payloads dead, and write `by` below the last error."""
        verdict, text = f"Given up by {clean(by)}", models.TextField()
        below = Concat("error", Value(f"\n{verdict}", text))
        return self._not_claimed(DUE)._move(
            "gave up",
            by,
            state=State.DEAD,
            next_attempt_at=None,
            error=Case(When(error="", then=Value(verdict, text)), default=below),
        )

    def _make_due(self, by: str, note: str, time: Any) -> int:
        return self._move("replayed", by, note, state=State.RETRYING, attempts=0, done_at=None, next_attempt_at=time)

    def _move(self, what: str, by: str, note: str = "", /, **columns: Any) -> int:
        if not by:
            return self.update(**columns)
        with transaction.atomic(using=self.db):
            pks = OperatorAction.objects.using(self.db).record(self, what, by, note)
            rows = self.model._default_manager.using(self.db).filter(pk__in=pks)
            if "done_at" in columns:  # the life of the payload goes on, and shows that it was handled before
                Attempt.objects.using(self.db).record_successes(rows)
            moved: int = rows.update(**columns)
        return moved

    def _not_claimed(self, states: Collection[State]) -> "PayloadMoves":
        # A claim is a state: the database checks it again after waiting for a row lock.
        return self.filter(state__in=states).order_by()
