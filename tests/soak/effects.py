"""What was promised against what was done, read from database, bucket, mail server and Slack. No Django here."""

import re
import uuid
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.soak.held import REQUEST
from tests.soak.ledger import DAY, Ledger, Post
from tests.soak.plant import Plant

#: First line of a digest: "214 sign-ups, 3 photos, 14:02 to 14:05".
DIGEST: Final = re.compile(r"(\d+ [^\n]+), (?:\d{4}-\d\d-\d\d )?\d\d:\d\d(?: to .*)?\n")
PART: Final = re.compile(r"(\d+) (.+?)s?\Z")
#: How the text of a single event begins or goes on, by kind.
SINGLE: Final = {
    "sign-up": re.compile(r".* signed up\Z"),
    "photo": re.compile(r".* uploaded a photo \("),
    "refused photo": re.compile(r"A photo by .* was refused: "),
    "contact": re.compile(r"Contact from "),
    "wrong contact form": re.compile(r"A contact form was wrong in: "),
}
PHOTOS: Final = "SELECT state, count(*) FROM proppy_photo GROUP BY state"
UNFINISHED: Final = "SELECT count(*) FROM notifications_rawpayload WHERE state NOT IN ('done', 'quarantined')"
#: What was answered with 202 while the database could not be asked for its key.
OTHER_BYTES: Final = (
    "SELECT count(*) FROM notifications_rawpayload"
    " WHERE state = 'quarantined' AND error LIKE 'Other bytes under a used key: %'"
)
STORED: Final = """
SELECT receipt, source, left(digest, 32) FROM notifications_rawpayload
WHERE source IN ('quick', 'slow', 'flaky', 'small', 'contact') AND state <> 'quarantined'
"""


@dataclass(frozen=True, slots=True)
class Effect:
    """How many were promised and found.

    `may_repeat`: it is promised at least once, not exactly once. `may_lose`: so many events are in doubt: of a commit
    whose answer never came, or of a worker that was killed between its commit and the journal.
    """

    name: str
    expected: int
    found: int
    lost: int
    repeated: int
    may_repeat: bool = False
    may_lose: int = 0

    @property
    def missed(self) -> bool:
        """Whether the goal was."""
        return self.lost > self.may_lose or bool(self.repeated and not self.may_repeat)


class Books:
    """Compares the ledger with what is there."""

    def __init__(self, plant: Plant, ledger: Ledger, *, kills: int = 0) -> None:
        self._plant, self._ledger, self._kills = plant, ledger, kills

    def waiting(self) -> str:
        """What is not done yet, in words; "" when all is."""
        waits = {
            "payloads": int(self._rows(UNFINISHED)[0][0]),
            "files in the spool": sum("." not in path.name for path in self._spool().glob("*")),
        }
        if any(waits.values()):  # the rest follows from what is stored
            return _in_words(waits)
        waits = {effect.name: effect.lost for effect in [*self._reports(), *self._told(), self._mails()]}
        return _in_words(waits)

    def effects(self) -> list[Effect]:
        """All of them, for the table."""
        return [
            self._bodies("posts stored, byte for byte", self._stored()),
            self._cut_posts(),
            self._bodies("posts handled, in the database", self._handled(), of=self._ledger.bodies | self._cut(False)),
            self._bodies("contact forms read", self._contacts(), of=self._ledger.contacts | self._cut(True)),
            compare("accounts", Counter(self._ledger.users), self._users(), unsure=Counter(self._ledger.unsure_users)),
            compare("photos, shown or refused", self._ledger.photos, self._photos(), unsure=self._ledger.unsure_photos),
            compare("files of shown photos in S3", self._shown_files(), Counter(self._s3_files())),
            self._mails(),
            *self._reports(),
            self._requests(),
            *self._told(),
            self._other_bytes(),
        ]

    def notes(self) -> dict[str, int]:
        """What else is worth knowing; the first three should be 0."""
        count = "SELECT count(*) FROM"
        return {
            "payloads given up": self._rows(f"{count} notifications_rawpayload WHERE state = 'dead'")[0][0],
            "deliveries given up": self._rows(f"{count} notifications_faileddelivery")[0][0],
            "reports of lost events": self._rows(f"{count} notifications_loss")[0][0],
        }

    def losses(self) -> list[str]:
        """What the accountant says of lost events."""
        rows = self._rows("SELECT origin, channel, reason, count FROM notifications_loss ORDER BY id")
        return [f"{origin} {channel}: {count} events, {reason}" for origin, channel, reason, count in rows]

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._plant.postgres.url, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def _spool(self) -> Path:
        return self._plant.folder / "state" / "spool"

    def _other_bytes(self) -> Effect:
        """Of a cut post with other bytes nobody knows whether it was taken."""
        found = int(self._rows(OTHER_BYTES)[0][0])
        effect = _counted("other bytes under a used key, in quarantine", self._ledger.other_bytes, found)
        return replace(effect, repeated=max(0, effect.repeated - self._ledger.unsure_other_bytes))

    def _bodies(self, name: str, found: "Counter[Hashable]", of: Mapping[uuid.UUID, bytes] | None = None) -> Effect:
        promised = self._ledger.bodies | self._ledger.contacts if of is None else of
        return compare(name, Counter(dict.fromkeys(promised.items(), 1)), found)

    def _stored(self) -> "Counter[Hashable]":
        """Of what was promised; `_unsure` has the others."""
        rows = ((receipt, bytes.fromhex(digest)) for receipt, _, digest in self._rows(STORED))
        return Counter(row for row in rows if row[0] in self._ledger.bodies or row[0] in self._ledger.contacts)

    @cached_property
    def _unsure(self) -> tuple[dict[uuid.UUID, Post], int]:
        """Posts that were cut and are stored all the same, and how many are stored that nobody has sent."""
        return self._ledger.stored_unsure((row[0], row[1], bytes.fromhex(row[2])) for row in self._rows(STORED))

    def _cut_posts(self) -> Effect:
        found, strange = self._unsure
        return Effect("posts cut: stored once or not at all", self._ledger.unsure, len(found), 0, strange)

    def _cut(self, contact: bool) -> dict[uuid.UUID, bytes]:
        posts = self._unsure[0].items()
        return {receipt: post.digest for receipt, post in posts if (post.source == "contact") is contact}

    def _handled(self) -> "Counter[Hashable]":
        rows = self._rows(f"SELECT name, count FROM notifications_reportrow WHERE day = '{DAY}'")
        names = [(name.split(), count) for name, count in rows]
        return Counter({(uuid.UUID(receipt), bytes.fromhex(digest)[:16]): count for (receipt, digest), count in names})

    def _contacts(self) -> "Counter[Hashable]":
        """What was read is compared by its receipt; its bytes are those that were stored."""
        rows, sent = self._rows("SELECT receipt FROM proppy_contactmessage"), self._ledger.contacts | self._cut(True)
        return Counter((receipt, sent.get(receipt, b"")) for (receipt,) in rows)

    def _users(self) -> Counter[str]:
        return Counter(name for (name,) in self._rows("SELECT username FROM auth_user"))

    def _photos(self) -> Counter[tuple[str, str]]:
        owner = "JOIN auth_user u ON u.id = p.owner_id GROUP BY 1, 2"
        rows = self._rows(f"SELECT u.username, p.state, count(*) FROM proppy_photo p {owner}")
        return Counter({(name, state): count for name, state, count in rows})

    def _shown_files(self) -> Counter[str]:
        return Counter(name for (name,) in self._rows("SELECT file FROM proppy_photo WHERE state = 'shown'"))

    def _s3_files(self) -> list[str]:
        return [key for key in self._plant.s3.keys() if key.startswith("photos/")]  # noqa: SIM118  no dictionary

    def _mails(self) -> Effect:
        # A copy at once: mails come meanwhile.
        received, wanted = self._plant.mail.received.copy(), Counter(self._users())
        return compare("welcome mails", wanted, received, may_repeat=True)

    def _reports(self) -> list[Effect]:
        rows = self._rows(f"SELECT name, sum(count) FROM notifications_reportrow WHERE day <> '{DAY}' GROUP BY name")
        found = {name: int(count) for name, count in rows}
        happened = self._happened()
        valid, wrong = self._cut_contacts()
        wanted = dict(self._ledger.reports + Counter({"contact form": valid, "contact form with mistakes": wrong}))
        wanted |= {"sign-up": happened["sign-up"], "photo upload": happened["photo upload"]}
        return [self._event(_counted(f"REPORT: {name}", n, found.get(name, 0))) for name, n in wanted.items()]

    def _event(self, effect: Effect) -> Effect:
        """What may be missing: the event of a commit whose answer never came, or that died with a process.

        What is told by the web may miss only the first, and what it was about to tell when it was killed.
        """
        kind = effect.name.partition(": ")[2]
        if kind not in {"sign-up", "photo upload"}:
            return replace(effect, may_lose=self._kills)
        unanswered = max(0, effect.expected - self._ledger.reports[kind])
        return replace(effect, may_lose=unanswered + self._in_doubt[kind])

    @cached_property
    def _in_doubt(self) -> Counter[str]:
        """What web servers that were killed may not have told any more."""
        return self._plant.held.in_doubt()

    def _cut_contacts(self) -> tuple[int, int]:
        """Contact forms that were cut and are stored all the same: how many were valid, how many were not."""
        valid = [post.valid for post in self._unsure[0].values() if post.source == "contact"]
        return sum(valid), len(valid) - sum(valid)

    def _requests(self) -> Effect:
        sums = "SELECT coalesce(sum(count), 0) FROM notifications_reportrow WHERE name LIKE 'requests %'"
        ledger, found = self._ledger, int(self._rows(sums)[0][0])
        effect = _counted("REPORT: requests, of all routes", ledger.requests, found)
        more = max(0, effect.repeated - ledger.unsure_requests)  # it may have counted what got no answer
        return replace(effect, repeated=more, may_lose=self._in_doubt[REQUEST])

    def _told(self) -> list[Effect]:
        found, happened = told([str(message["text"]) for message in self._plant.slack.messages]), self._happened()
        valid, wrong = self._cut_contacts()
        wanted = dict(self._ledger.told + Counter({"contact": valid, "wrong contact form": wrong}))
        wanted |= {kind: happened[kind] for kind in ("sign-up", "photo", "refused photo")}
        counted = [_counted(f"Slack: {kind}", n, found[kind], may_repeat=True) for kind, n in wanted.items()]
        return [self._event(effect) for effect in counted]

    def _happened(self) -> Counter[str]:
        """Of what a 503 or no answer leaves open, what was done has to be told as well. By names of events."""
        counts = Counter(dict(self._rows(PHOTOS)))
        return Counter(
            {
                "sign-up": self._rows("SELECT count(*) FROM auth_user")[0][0],
                "photo upload": counts.total(),
                "photo": counts["shown"],
                "refused photo": counts["refused"],
            }
        )


def compare(
    name: str,
    wanted: "Counter[Any]",
    found: "Counter[Any]",
    *,
    unsure: "Counter[Any] | None" = None,
    may_repeat: bool = False,
) -> Effect:
    """One by one. What was found and never promised counts as repeated, but for what is `unsure`."""
    lost, more = (wanted - found).total(), (found - wanted - (unsure or Counter())).total()
    return Effect(name, wanted.total(), found.total(), lost, more, may_repeat)


def told(texts: Iterable[str]) -> Counter[str]:
    """How many events of each kind Slack was told of, singly or in digests."""
    counts: Counter[str] = Counter()
    for text in texts:
        if digest := DIGEST.match(text):
            for part in digest[1].split(", "):
                if found := PART.match(part):
                    counts[found[2]] += int(found[1])
        else:
            counts.update(kind for kind, pattern in SINGLE.items() if pattern.match(text))
    return counts


def _in_words(waits: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in waits.items() if count)


def _counted(name: str, wanted: int, found: int, *, may_repeat: bool = False) -> Effect:
    return Effect(name, wanted, found, max(0, wanted - found), max(0, found - wanted), may_repeat)
