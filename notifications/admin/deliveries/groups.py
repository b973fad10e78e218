"""Failed deliveries by channel and reason: people mend what a reason says, then send all of them again."""

from collections import Counter
from typing import Final, NamedTuple
from urllib.parse import urlencode

from django.db.models import Count, Max, Min
from django.db.models.functions import Right
from django.utils.safestring import SafeString

from notifications.admin.deliveries.filters import WITHOUT
from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import EMPTY, LOADED, last_loaded_line, since
from notifications.models import FailedDelivery

#: Groups to show, the last first.
SHOWN: Final = 25


class Group(NamedTuple):
    """Failed deliveries with one reason; `again` of them wait to be sent again. All texts are fit to be seen.

    `example` is the reason of the last one, `pk` its id. `address`: the query of the list of them.
    """

    channel: str
    example: str
    rows: int
    again: int
    first: SafeString | str
    last: SafeString | str
    pk: int
    address: str
    fingerprint: str

    @property
    def can_be_sent(self) -> bool:
        """Some are left that nobody has asked for. What an older release wrote may have several reasons."""
        return self.rows > self.again and bool(self.fingerprint)


def groups() -> tuple[list[Group], int]:
    """The last ones, and how many more there are. Counted from an index alone, but for those that wait."""
    key = ("channel", "fingerprint")
    found = list(
        FailedDelivery.objects.values_list(*key)
        .annotate(rows=Count("pk"), first=Min("pk"), last=Max("pk"))
        .order_by("-last")
    )
    again = Counter(FailedDelivery.objects.filter(again_at__isnull=False).values_list(*key).iterator())
    shown = found[:SHOWN]
    ends = _ends([pk for *_, first, last in shown for pk in (first, last)])
    made = [_group(*row, again=again[row[0], row[1]], ends=ends) for row in shown]
    return made, len(found) - len(made)


def _ends(pks: list[int]) -> dict[int, FailedDelivery]:
    """The first and the last ones of the groups."""
    rows = FailedDelivery.objects.filter(pk__in=pks).only("created_at").annotate(end=Right("reason", LOADED))
    return {row.pk: row for row in rows}


def _group(
    channel: str, fingerprint: str, count: int, first: int, last: int, *, again: int, ends: dict[int, FailedDelivery]
) -> Group:
    newest, oldest = ends.get(last), ends.get(first)
    return Group(
        channel=visible(channel),
        example=last_loaded_line(getattr(newest, "end", "")) or EMPTY,
        rows=count,
        again=again,
        first=since(oldest.created_at if oldest else None),
        last=since(newest.created_at if newest else None),
        pk=last,
        fingerprint=fingerprint,
        address=urlencode({"channel": channel, "reason": fingerprint or WITHOUT}),
    )
