# First: it raises where another package has written its files over ours, and so what is imported next.
from notifications.utils import import_name  # noqa: F401

# isort: split
from notifications.models.attempts import Attempt
from notifications.models.events import Account, FailedDelivery, Loss, Position, Refusal, ReportRow, Writer
from notifications.models.failures import FailureGroup, FailureHour
from notifications.models.machines import Machine, ReportedProblem
from notifications.models.operator_actions import OperatorAction
from notifications.models.payload import RawPayload
from notifications.models.series import Series, Status
from notifications.models.states import State
from notifications.models.totals import SourceTotal

__all__ = [
    "Account",
    "Attempt",
    "FailedDelivery",
    "FailureGroup",
    "FailureHour",
    "Loss",
    "Machine",
    "OperatorAction",
    "Position",
    "RawPayload",
    "Refusal",
    "ReportRow",
    "ReportedProblem",
    "Series",
    "SourceTotal",
    "State",
    "Status",
    "Writer",
]
