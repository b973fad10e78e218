"""What became of the last retry of a failure group: how many of its payloads were handled, wait, or failed again."""

from typing import Final, NamedTuple

from django.db.models import Count, Q
from django.utils.safestring import SafeString

from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import since
from notifications.models import FailureGroup, OperatorAction, RawPayload, State

#: What is recorded of a group when its payloads are retried.
RETRIED: Final = "retried"
#: Records to look through: those of a retry's payloads come right before that of the group.
MOST: Final = 10_000


class Retry(NamedTuple):
    """`total` payloads were retried, `age` ago; `is_part`: even more, whose outcome is not counted.

    `fails_again`: the group was resolved after it, and has failed since.
    """

    by: str
    age: SafeString | str
    total: int
    handled: int
    failed: int
    is_part: bool
    fails_again: bool

    @property
    def waiting(self) -> int:
        return self.total - self.handled - self.failed


def note_of(group: FailureGroup) -> str:
    """What is recorded of each payload that is retried with its group."""
    return f"with failure group #{group.pk}"


def last_retry(group: FailureGroup) -> Retry | None:
    """None if it was never retried, or its payloads are gone. Payloads that were pruned since are not counted."""
    retries = OperatorAction.objects.filter(failure=group.pk, what=RETRIED).order_by("-pk")[:2]
    if not retries:
        return None
    last, before = retries[0], retries[1].pk if len(retries) > 1 else 0
    records = OperatorAction.objects.filter(pk__gt=max(before, last.pk - MOST), pk__lt=last.pk, payload__isnull=False)
    payloads = records.filter(by=last.by, note=note_of(group)).values("payload_id")
    failed = Q(state=State.DEAD) | Q(state=State.RETRYING, attempts__gt=0)
    counts = RawPayload.objects.filter(pk__in=payloads).aggregate(
        total=Count("pk"), handled=Count("pk", filter=Q(state=State.DONE)), failed=Count("pk", filter=failed)
    )
    if not counts["total"]:
        return None
    is_part = counts["total"] >= MOST - 1
    fails_again = group.reopened_at is not None and group.reopened_at > last.at
    return Retry(visible(last.by), since(last.at), is_part=is_part, fails_again=fails_again, **counts)
