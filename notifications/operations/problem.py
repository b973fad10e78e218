"""What a problem is: the verdict lists them, `proppy_status` prints them, and `Watch` reports each once."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from notifications.conf import conf

#: A restart takes less: seconds that it must last to be reported.
RESTART: Final = 60.0
#: A clock that is set, or a machine that was suspended: until the next heartbeat all of them are too old.
NEXT_BEAT: Final = 15.0
JOURNALD: Final = "journald://"


class Grade(StrEnum):
    """How grave a problem is, the gravest first."""

    #: Visitors are refused, or something is being lost.
    CRITICAL = "critical"
    #: Something waits or failed.
    WARNING = "warning"
    #: It could not be asked.
    UNKNOWN = "unknown"


class Kind(NamedTuple):
    """What problems of one name have in common. The title says what is wrong, in few words, of {subject} on {host}."""

    title: str
    #: Seconds that it must last to be reported.
    patience: float = 0.0
    #: The problem with which nobody can know whether there is this one.
    unknown_with: str = ""
    #: Whether it is of the database that all machines share.
    shared: bool = False
    #: Whether it is reported: what is only unknown because of another problem is not.
    reported: bool = True


_IN_DATABASE: Final = "database-unknown"
_IN_SPOOL: Final = "spool-unreadable"
_IN_HEARTBEATS: Final = "workers-unknown"
#: By name. Names are a contract with dashboards.
KINDS: Final = {
    "database-away": Kind("the database is away, seen from {host}", RESTART),
    "database-slow": Kind("the database answers too late or wrongly, seen from {host}", RESTART),
    "database-disk": Kind("the database's disk on {host} is nearly full"),
    "state-disk": Kind("the disk of NOTIFICATIONS_STATE_DIR on {host} is nearly full"),
    "spool-full": Kind("the spool on {host} is nearly full", unknown_with=_IN_SPOOL),
    "spool-waits": Kind("the spool on {host} does not empty", unknown_with=_IN_SPOOL),
    "spool-set-aside": Kind("files of the spool on {host} are set aside", unknown_with=_IN_SPOOL),
    "spool-unreadable": Kind("the spool on {host} cannot be read"),
    "process-raw-dead": Kind("no process_raw runs on {host}", RESTART, unknown_with=_IN_HEARTBEATS),
    "process-raw-frozen": Kind("{subject} on {host} hangs", NEXT_BEAT, unknown_with=_IN_HEARTBEATS),
    "follow-journal-dead": Kind("no follow_journal runs on {host}", RESTART, unknown_with=_IN_HEARTBEATS),
    "follow-journal-frozen": Kind("{subject} on {host} hangs", NEXT_BEAT, unknown_with=_IN_HEARTBEATS),
    "workers-unknown": Kind("the heartbeats on {host} cannot be read"),
    "machine-silent": Kind("{subject} is silent", RESTART, unknown_with=_IN_DATABASE, shared=True),
    "journald-dead": Kind("journald on {host} does not run", 10.0),
    "journal-quota": Kind(
        "{subject} on {host} is so far behind that the journal may remove its events", unknown_with=_IN_DATABASE
    ),
    "journal-unreadable": Kind("this user may not read the journal on {host}", reported=False),
    "losses-not-counted": Kind("losses are not counted on {host}", RESTART, unknown_with=_IN_DATABASE),
    "channel-not-followed": Kind("nobody follows {subject} on {host}", RESTART, unknown_with=_IN_DATABASE),
    "channel-blocked": Kind("{subject} on {host} delivers nothing", RESTART, unknown_with=_IN_DATABASE),
    "payloads-waiting": Kind("payloads wait for long", unknown_with=_IN_DATABASE, shared=True),
    "payloads-dead": Kind("payloads are dead", unknown_with=_IN_DATABASE, shared=True),
    "payloads-quarantined": Kind("payloads are in quarantine", unknown_with=_IN_DATABASE, shared=True),
    "deliveries-failed": Kind("deliveries have failed", unknown_with=_IN_DATABASE, shared=True),
    "events-lost": Kind("events were lost", unknown_with=_IN_DATABASE, shared=True),
    "entries-refused": Kind("journal entries were refused", unknown_with=_IN_DATABASE, shared=True, reported=False),
    "clock-ahead": Kind("payloads came from the future", unknown_with=_IN_DATABASE, shared=True),
    "clock-differs": Kind("the clock of {host} differs from the database's", RESTART, unknown_with=_IN_DATABASE),
    "database-unknown": Kind("payloads, channels, failed deliveries and losses are unknown", reported=False),
}
SHARED: Final = frozenset(name for name, kind in KINDS.items() if kind.shared)
#: What follow_journal reports: a process_raw that does not turn cannot.
OF_PROCESS_RAW: Final = frozenset({"process-raw-dead", "process-raw-frozen"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong now.

    `text` has the facts in one sentence, `advice` says what to do. `subject`: the channel or process, where several can
    have the problem. `path`: the admin's page, or "". `elsewhere`: it is another machine's, which reports it itself.
    """

    name: str
    grade: Grade
    text: str
    advice: str
    subject: str = ""
    path: str = ""
    elsewhere: bool = False

    @property
    def mark(self) -> str:
        """The file name that stands for it among what was reported."""
        return mark_of(self.name, self.subject)

    def as_dict(self) -> dict[str, str]:
        """For programs."""
        names = ("name", "subject", "grade", "text", "advice", "path")
        return {name: str(getattr(self, name)) for name in names}


def mark_of(name: str, subject: str = "") -> str:
    """The file name of a problem. A unit's failure, which `proppy_alert` reports, has the name of that unit."""
    if name == "follow-journal-dead" and conf.follower_unit:
        return conf.follower_unit
    if name == "journald-dead":
        return journald_unit() or name
    return f"{name}={quote(subject, safe='')}" if subject else name


def parse_mark(mark: str) -> tuple[str, str]:
    """Name and subject of a problem; the name is "" if the file stands for something else."""
    for name in ("follow-journal-dead", "journald-dead"):
        if mark == mark_of(name):
            return name, ""
    name, _, subject = mark.partition("=")
    return (name, unquote(subject)) if name in KINDS else ("", "")


def unknown_beside(problems: Iterable[Problem]) -> frozenset[str]:
    """The names of problems of which nobody can know beside these."""
    found = {each.name for each in problems}
    return frozenset(name for name, kind in KINDS.items() if kind.unknown_with in found)


def title_of(name: str, subject: str = "") -> str:
    """For example "the spool on shop1 is nearly full"."""
    return KINDS[name].title.format(host=os.uname().nodename, subject=subject)


def journald_unit() -> str:
    """The unit of the journald that has the events; "" if another journal has them."""
    if not conf.journal_url.startswith(JOURNALD):
        return ""
    namespace = conf.journal_url.removeprefix(JOURNALD)
    return f"systemd-journald@{namespace}.service" if namespace else "systemd-journald.service"
