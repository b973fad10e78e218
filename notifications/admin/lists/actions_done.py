"""What people did to a row, as its page shows it."""

from typing import Final, NamedTuple

from django.utils.safestring import SafeString

from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import since
from notifications.models import FailedDelivery, FailureGroup, Loss, OperatorAction, Refusal
from notifications.models.operator_actions import COLUMNS

#: The last ones.
SHOWN: Final = 20


class Done(NamedTuple):
    """An action, in texts fit to be seen."""

    what: str
    by: str
    note: str
    age: SafeString | str


def actions_on(row: FailureGroup | FailedDelivery | Loss | Refusal) -> list[Done]:
    """The last actions on a row, the newest first."""
    column = COLUMNS[type(row).__name__]
    rows = OperatorAction.objects.filter(**{column: row.pk}).order_by("-pk")[:SHOWN]
    return [
        Done(visible(each.what).capitalize(), visible(each.by), visible(each.note), since(each.at)) for each in rows
    ]
