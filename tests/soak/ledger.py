"""What the site has promised with its answers, kept by the client. No database here."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from notifications.http.idempotency import receipt_for

#: The day of the rows that count handlings, apart from the reports of real days.
DAY: Final = "2030-01-01"


class Post(NamedTuple):
    """A body whose answer never came. `valid`: a contact form without mistakes."""

    source: str
    digest: bytes
    valid: bool


@dataclass(slots=True)
class Ledger:
    """Digests are the first half of a sha256. `unsure`: what may have been done: the answer was none, or a 503."""

    #: Posts with a key, which gives the receipt, and others, of which each may be there once.
    unsure_keyed: dict[uuid.UUID, Post] = field(default_factory=dict)
    unsure_posts: Counter[Post] = field(default_factory=Counter)

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
    other_bytes: int = 0
    unsure_other_bytes: int = 0
    #: Requests that reached the site's statistics.
    requests: int = 0
    unsure_requests: int = 0

    def taken(self, source: str, receipt: uuid.UUID, body: bytes, *, valid: bool = False) -> None:
        """A body was answered with a receipt. AssertionError where it was another body's."""
        kept = self.contacts if source == "contact" else self.bodies
        digest = _digest(body)
        self.unsure_keyed.pop(receipt, None)
        if receipt in kept:
            assert kept[receipt] == digest, f"{source}: {receipt} was the receipt of another body"
            return
        kept[receipt] = digest
        if source == "contact":
            self._event("contact form" if valid else "contact form with mistakes")
            self.told["contact" if valid else "wrong contact form"] += 1

    def cut(self, source: str, body: bytes, *, key: str = "", valid: bool = False) -> None:
        """The answer to a post never came: it may have been stored."""
        post = Post(source, _digest(body), valid)
        receipt = receipt_for(source, key)
        if not key:
            self.unsure_posts[post] += 1
        elif receipt not in self.bodies and receipt not in self.contacts:
            self.unsure_keyed[receipt] = post

    @property
    def unsure(self) -> int:
        """How many posts may have been stored."""
        return len(self.unsure_keyed) + self.unsure_posts.total()

    def stored_unsure(self, rows: Iterable[tuple[uuid.UUID, str, bytes]]) -> tuple[dict[uuid.UUID, Post], int]:
        """Of what is stored (receipt, source, digest) without a promise: the posts, and how many nobody has sent."""
        found: dict[uuid.UUID, Post] = {}
        strange, left = 0, self.unsure_posts.copy()
        for receipt, source, digest in rows:
            if receipt in self.bodies or receipt in self.contacts:
                continue
            keyed = self.unsure_keyed.get(receipt)
            posts = (
                [keyed] if keyed else [post for post in (Post(source, digest, v) for v in (False, True)) if left[post]]
            )
            match = next((post for post in posts if post[:2] == (source, digest)), None)
            if match is None:
                strange += 1
            else:
                found[receipt] = match
                left[match] -= not keyed
        return found, strange

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


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:16]
