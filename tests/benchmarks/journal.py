"""Journals filled beforehand: what `emit()` writes, and what other programs do, but waiting for journald."""

import socket
from collections.abc import Iterable, Iterator, Mapping

from notifications.events.process_token import new_token
from notifications.journal import JournaldJournal
from tests.support.journals import settle

Fields = Mapping[str, str]

#: Who else writes into a mixed journal, in turn.
OTHERS = ("systemd", "CRON", "sshd", "kernel", "nginx")


def fill(namespace: str, entries: Iterable[Fields]) -> None:
    """Write entries to a journald namespace. All of them can be read when this returns."""
    journal = JournaldJournal(namespace)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for fields in entries:
            sender.sendto(journal.encode(fields), journal.socket_path)
    settle(journal)
    journal.close()


def events(name: str, count: int) -> Iterator[Fields]:
    """Events of one process, for one channel."""
    token = new_token()
    return (_event(name, token, number) for number in range(1, count + 1))


def mixed(name: str, count: int, among: int) -> Iterator[Fields]:
    """`among` entries of which `count` are events, evenly spread; the first is one."""
    told, every = events(name, count), among // count
    return (_other(number) if number % every else next(told) for number in range(among))


def _event(name: str, token: str, number: int) -> Fields:
    return {
        "MESSAGE": f"{name}: Ada Lovelace signed up with ada{number}@example.com",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "proppy",
        "PROPPY_EVENT": name,
        "PROPPY_ID": f"{token}:{number}",
        "PROPPY_DATA": f'{{"user":{number}}}',
    }


def _other(number: int) -> Fields:
    return {
        "MESSAGE": f"pam_unix(cron:session): session {number} opened for user root(uid=0) by (uid=0)",
        "PRIORITY": "6",
        "SYSLOG_FACILITY": "10",
        "SYSLOG_IDENTIFIER": OTHERS[number % len(OTHERS)],
        "SYSLOG_PID": str(number % 5000),
    }
