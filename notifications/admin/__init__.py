"""The admin: what came in and how far it got; how far each channel is. People look, two actions move payloads on."""

from notifications.admin.payloads import RawPayloadAdmin
from notifications.admin.tell import FailedDeliveryAdmin, LossAdmin, PositionAdmin, ReportRowAdmin

__all__ = ["FailedDeliveryAdmin", "LossAdmin", "PositionAdmin", "RawPayloadAdmin", "ReportRowAdmin"]
