"""What is stored: JSON as a webhook sends it, 1 kB unless a run says otherwise, with a sender's headers."""

import json
from typing import Final

_EVENT: Final = {
    "id": "evt_1MqqbKLt4dXK03v5qaIbiNCC",
    "type": "checkout.session.completed",
    "created": 1795000000,
    "data": {"customer": "Ada Lovelace", "email": "ada@example.com", "amount": 4200, "currency": "eur"},
}
SIZE: Final = 1024
CONTENT_TYPE: Final = "application/json"
#: As a view of one's own passes them on to `keep()`.
HEADERS: Final = {
    "Host": "hooks.example.com",
    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    "Accept": "*/*; q=0.5, application/xml",
    "Cache-Control": "no-cache",
    "Content-Type": CONTENT_TYPE,
    "Stripe-Signature": "t=1795000000,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
}
#: As a client of 127.0.0.1 sends them, which names its own host.
SENT: Final = {name: value for name, value in HEADERS.items() if name != "Host"}


def body(size: int = SIZE) -> bytes:
    """So many bytes: of JSON, where they are enough for it."""
    whole = json.dumps(_EVENT | {"note": ""}).encode()
    return whole[:-2] + b"x" * (size - len(whole)) + whole[-2:] if size >= len(whole) else b"x" * size


BODY: Final = body()
