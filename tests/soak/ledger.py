"""What the site has promised with its answers, kept by the client. Imports no Django."""

import hashlib
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

#: The day of the rows that count handlings, apart from the reports of real days.
DAY: Final = "2030-01-01"


@dataclass(slots=True)
class Ledger:
    """Digests are the first half of a sha256. `unsure`: what may have been done: the answer was none, or a 503."""

    #: By receipt, of the sources whose handlers count.
    bodies: dict[uuid.UUID, bytes] = field(default_factory=dict)
    #: By receipt, of the contact form.
    contacts: dict[uuid.UUID, bytes] = field(default_factory=dict)
    users: set[str] = field(default_factory=set)
    unsure_users: set[str] = field(default_factory=set)
    #: By address of the owner, and "shown" or "refused".
    photos: Counter[tuple[str, str]] = field(default_factory=Counter)
    unsure_photos: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Events by the report's name, and by the kind that Slack is told.
    reports: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    #: Other bytes under a used key that were taken, because the database could not be asked.
    set_aside: int = 0
    #: Requests that reached the site's statistics.
    requests: int = 0

    def taken(self, source: str, receipt: uuid.UUID, body: bytes, *, valid: bool = False) -> None:
        """A body was answered with a receipt. AssertionError where it was another body's."""
        kept = self.contacts if source == "contact" else self.bodies
        digest = hashlib.sha256(body).digest()[:16]
        if receipt in kept:
            assert kept[receipt] == digest, f"{source}: {receipt} was the receipt of another body"
            return
        kept[receipt] = digest
        if source == "contact":
            self._event("contact form" if valid else "contact form with mistakes")
            self.told["contact" if valid else "wrong contact form"] += 1

    def signed_up(self, email: str) -> None:
        """Somebody was answered that they have an account."""
        self.users.add(email)
        self._event("sign-up")
        self.told["sign-up"] += 1

    def uploaded(self, email: str, state: str) -> None:
        """Somebody's upload was taken, and ends as "shown" or "refused"."""
        self.photos[email, state] += 1
        self._event("photo upload")
        self.told["photo" if state == "shown" else "refused photo"] += 1

    def _event(self, name: str) -> None:
        self.reports[name] += 1
