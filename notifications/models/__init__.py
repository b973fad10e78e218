from notifications.models.claims import State
from notifications.models.payload import RawPayload
from notifications.models.tell import FailedDelivery, Loss, Position, ReportRow

__all__ = ["FailedDelivery", "Loss", "Position", "RawPayload", "ReportRow", "State"]
