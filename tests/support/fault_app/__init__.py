"""An app whose handlers count each handling, and the settings of the site that the fault test breaks."""

import hashlib


def name_of(receipt: object, body: bytes) -> str:
    """The name of the row that counts how often these bytes were handled under this receipt."""
    return f"{receipt} {hashlib.sha256(body).hexdigest()}"
