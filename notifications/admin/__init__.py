"""The admin: payloads and their handling, channels and their progress. Mostly read-only; actions move things on."""

from notifications.admin.channels import PositionAdmin
from notifications.admin.deliveries.list import FailedDeliveryAdmin
from notifications.admin.failures.list import FailureGroupAdmin
from notifications.admin.machines import MachineAdmin
from notifications.admin.operator_actions import OperatorActionAdmin
from notifications.admin.payloads.list import RawPayloadAdmin
from notifications.admin.records import LossAdmin, RefusalAdmin, ReportRowAdmin
from notifications.admin.status.page import StatusAdmin

__all__ = [
    "FailedDeliveryAdmin",
    "FailureGroupAdmin",
    "LossAdmin",
    "MachineAdmin",
    "OperatorActionAdmin",
    "PositionAdmin",
    "RawPayloadAdmin",
    "RefusalAdmin",
    "ReportRowAdmin",
    "StatusAdmin",
]
