"""What is stored: 1 kB of JSON, as a webhook sends it."""

import json
from typing import Final

_EVENT: Final = {
    "id": "evt_1MqqbKLt4dXK03v5qaIbiNCC",
    "type": "checkout.session.completed",
    "created": 1795000000,
    "data": {"customer": "Ada Lovelace", "email": "ada@example.com", "amount": 4200, "currency": "eur"},
    "note": "",
}
SIZE: Final = 1024
BODY: Final = json.dumps(_EVENT | {"note": "x" * (SIZE - len(json.dumps(_EVENT)))}).encode()
CONTENT_TYPE: Final = "application/json"
