"""The fields of an event's entry."""

from typing import Final
from uuid import UUID

#: The priority (syslog's) and the identifier of each event.
INFO: Final = "6"
PROPPY: Final = "proppy"
#: The field with the receipt of the payload that was in hand.
RECEIPT: Final = "PROPPY_RECEIPT"


def event_fields(name: str, text: str, event_id: str, data: str = "", receipt: UUID | None = None) -> dict[str, str]:
    """The fields of an event's entry. `data`: its own fields as JSON, or ""; `receipt`: of the payload in hand."""
    fields = {
        "MESSAGE": f"{name}: {text}",
        "PRIORITY": INFO,
        "SYSLOG_IDENTIFIER": PROPPY,
        "PROPPY_EVENT": name,
        "PROPPY_ID": event_id,
    }
    if data:
        fields["PROPPY_DATA"] = data
    if receipt:
        fields[RECEIPT] = str(receipt)
    return fields
