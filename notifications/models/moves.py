"""What operators do with payloads that no worker has: every such change of state is a method here.

done, dead, retrying ── process_again ─→ retrying, at once
quarantined ─────────── admit ─────────→ received
received, quarantined, retrying ── give_up ─→ dead
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Case, Value, When
from django.db.models.functions import Concat
from django.utils import timezone

from notifications.clean import clean
from notifications.models.states import State


class PayloadMoves(models.QuerySet[Any]):
    """Each gives how many it has moved. What a worker has is left alone."""

    def process_again(self, *, at: datetime | None = None, apart: timedelta = timedelta(0)) -> int:
        """Hand what is done, dead or waits for its next try to the workers, with no attempt counted.

        It becomes `retrying`: of those workers take one for each batch of what is received, so that live traffic
        never waits behind a replay. The first is due at `at` (now), each next one `apart` later, by order of arrival.
        The last error and its group stay until an attempt succeeds.
        """
        states = [State.DONE, State.DEAD, State.RETRYING]
        due = at or timezone.now()
        change = {"state": State.RETRYING, "attempts": 0, "done_at": None}
        if not apart:
            return self._not_claimed(states).update(**change, next_attempt_at=due)
        moved = 0
        for pk in self._not_claimed(states).order_by("pk").values_list("pk", flat=True):
            one = self._not_claimed(states).filter(pk=pk)
            moved += one.update(**change, next_attempt_at=due + moved * apart)
        return moved

    def admit(self) -> int:
        """Hand what was quarantined to the workers: somebody has verified its signature."""
        return self._not_claimed([State.QUARANTINED]).update(
            state=State.RECEIVED, next_attempt_at=timezone.now(), error=""
        )

    def give_up(self, by: str) -> int:
        """Make what waits dead, with who did that below the last error."""
        verdict, text = f"Given up by {clean(by)}", models.TextField()
        below = Concat("error", Value(f"\n{verdict}", text))
        return self._not_claimed([State.RECEIVED, State.QUARANTINED, State.RETRYING]).update(
            state=State.DEAD,
            next_attempt_at=None,
            error=Case(When(error="", then=Value(verdict, text)), default=below),
        )

    def _not_claimed(self, states: list[State]) -> "PayloadMoves":
        # A claim is a state: the database looks at it again when it has waited for the lock of a row.
        return self.filter(state__in=states).order_by()
