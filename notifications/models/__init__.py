from notifications.models.claims import State
from notifications.models.payload import RawPayload
from notifications.models.tell import Account, FailedDelivery, Loss, Position, Refusal, ReportRow, Writer

__all__ = ["Account", "FailedDelivery", "Loss", "Position", "RawPayload", "Refusal", "ReportRow", "State", "Writer"]
