"""The admin: what came in and how far it got; how far each channel is. People look, some actions move things on."""

from notifications.admin.channels import PositionAdmin
from notifications.admin.failed import FailedDeliveryAdmin
from notifications.admin.failures import FailureGroupAdmin
from notifications.admin.payloads import RawPayloadAdmin
from notifications.admin.tell import LossAdmin, RefusalAdmin, ReportRowAdmin

__all__ = [
    "FailedDeliveryAdmin",
    "FailureGroupAdmin",
    "LossAdmin",
    "PositionAdmin",
    "RawPayloadAdmin",
    "RefusalAdmin",
    "ReportRowAdmin",
]
