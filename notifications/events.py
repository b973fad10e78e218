"""An event: something that happened, in one readable line. The one place where it is encoded and parsed."""

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from operator import length_hint
from typing import Any, Final

import orjson
from django.core.signals import setting_changed
from django.db import transaction

from notifications.bounded_queue import before_exit
from notifications.conf import conf
from notifications.journal import Entry, as_text, journal_from_url
from notifications.outbox import Outbox
from notifications.times import moment_of
from notifications.tokens import new_token

logger = logging.getLogger(__name__)

#: Names that the engine itself uses: what a process lost, that it ends, that a follower still reads, its accounts.
RESERVED: Final = frozenset({"LOST", "END", "TICK", "REFUSED"})
NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
TEXT_LINE: Final = re.compile(r"([A-Z][A-Z0-9_]{0,31}): (.*)", re.DOTALL)
UID: Final = re.compile(r"[0-9]{1,10}")
MAX_BYTES: Final = 64 * 1024
CUT_MARK: Final = " […cut: larger things belong in keep()]"
INFO: Final = "6"


@dataclass(frozen=True, slots=True)
class Event:
    """What a channel gets to deliver."""

    name: str
    text: str
    time: datetime
    data: dict[str, Any] = field(default_factory=dict)
    #: `<process token>:<number>`; "" for a plain text line.
    id: str = ""
    #: False for a plain text line, which any local user may have written.
    author_known: bool = True


def emit(name: str, text: str, /, *, on_commit: bool = True, **fields: Any) -> None:
    """Tell the journal that something happened: `emit("SLACK", "Ada signed up", user=7)`.

    `name` is that of the channel ([A-Z][A-Z0-9_]{0,31}), `text` a readable line, `fields` any JSON values. Inside a
    transaction the event waits for the commit, and is forgotten by a rollback, unless `on_commit=False`.
    Never waits and never raises: what cannot be written is queued, then dropped, counted and reported.
    """
    try:
        parts = _checked(name, text, fields)
        connection = _thread.connection or _remember_connection()
        if on_commit and connection.in_atomic_block:
            # No partial: Django names a hook that failed by its __qualname__, and fails if there is none.
            connection.on_commit(lambda: _send(*parts), robust=True)
        else:
            _send(*parts)
    except Exception:  # a request must not fail because of what it tells
        logger.exception("emit(%r, …) dropped its event", name)


class _Thread(threading.local):
    """This thread's database connection: Django's own look-up is a fifth of what emit() costs."""

    connection: Any = None


_thread = _Thread()


def _remember_connection() -> Any:
    _thread.connection = transaction.get_connection()
    return _thread.connection


def _checked(name: str, text: object, fields: Mapping[str, Any]) -> tuple[str, str, str]:
    if not NAME.fullmatch(name) or name in RESERVED:
        raise ValueError(f"{name!r} is no event name: capital letters, digits and _, at most 32; some are ours")
    return name, _cut(_readable(text)), _data(fields) if fields else ""


def _send(name: str, text: str, data: str) -> None:
    process_outbox().write(_entry(name, text, data))


def _entry(name: str, text: str, data: str) -> dict[str, str]:
    entry = {
        "MESSAGE": f"{name}: {text}",
        "PRIORITY": INFO,
        "SYSLOG_IDENTIFIER": "proppy",
        "PROPPY_EVENT": name,
        "PROPPY_ID": f"{_token}:{next(_numbers)}",
    }
    if data:
        entry["PROPPY_DATA"] = data
    return entry


def _lost_entry(reason: str, count: int, since: datetime, until: datetime) -> dict[str, str]:
    fields = {"reason": reason, "count": count, "since": since, "until": until, "pid": os.getpid()}
    return _entry("LOST", f"{count} events: {reason}", _data(fields))


@cache
def process_outbox() -> Outbox:
    """The one that this process writes through."""
    return Outbox(journal_from_url(conf.journal_url, conf.state_dir), _lost_entry)


def _forget_outbox(*, setting: str, **_: Any) -> None:
    if setting in {"NOTIFICATIONS_JOURNAL_URL", "NOTIFICATIONS_STATE_DIR"}:
        process_outbox.cache_clear()


setting_changed.connect(_forget_outbox, dispatch_uid="notifications.events")


def _cut(text: str) -> str:
    if len(text) * 4 <= MAX_BYTES:
        return text
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) <= MAX_BYTES:
        return text
    kept = raw[: MAX_BYTES - len(CUT_MARK.encode())]
    while kept and kept[-1] & 0xC0 == 0x80:  # not in the middle of a character
        kept = kept[:-1]
    return kept[:-1].decode("utf-8", "surrogatepass") + CUT_MARK


def _data(fields: Mapping[str, Any]) -> str:
    try:
        data = orjson.dumps(fields, default=_readable, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError):
        data = _data_leniently(fields)
    size = len(data.encode())
    return data if size <= MAX_BYTES else json.dumps({"cut": size})


def _data_leniently(fields: Mapping[str, Any]) -> str:
    """What orjson refuses: integers over 64 bits, lone surrogates. A cycle costs the fields, not the event."""
    try:
        return json.dumps(fields, default=_readable, skipkeys=True)
    except (ValueError, RecursionError) as error:
        return json.dumps({"unreadable": str(error)})


def _readable(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  the caller's class has a bug; that something happened is told all the same
        return f"<{type(value).__name__}>"


def event_of(entry: Entry, trusted_uids: frozenset[int]) -> Event | None:
    """The event in a journal entry, or None: no event, or none that a trusted user wrote.

    Trust is `_UID`, which journald takes from the kernel; every other field is the sender's own word.
    """
    name = entry.fields.get("PROPPY_EVENT")
    if not isinstance(name, str) or not NAME.fullmatch(name) or not is_trusted(entry, trusted_uids):
        return None
    prefix, text = f"{name}: ", as_text(entry.fields.get("MESSAGE"))
    if not text.startswith(prefix):
        return None
    data = _loads(as_text(entry.fields.get("PROPPY_DATA")))
    event_id = as_text(entry.fields.get("PROPPY_ID"))
    return Event(name, text[len(prefix) :], moment_of(entry.time_us), data, event_id)


def text_event_of(entry: Entry) -> Event | None:
    """The event in a plain line "SLACK: …" that anybody may have written, or None."""
    if "PROPPY_EVENT" in entry.fields:
        return None
    match = TEXT_LINE.fullmatch(as_text(entry.fields.get("MESSAGE")))
    if match is None:
        return None
    return Event(match[1], _cut(match[2]), moment_of(entry.time_us), author_known=False)


def is_trusted(entry: Entry, trusted_uids: frozenset[int]) -> bool:
    """Whether one of these users wrote it."""
    uid = entry.fields.get("_UID")
    return isinstance(uid, str) and UID.fullmatch(uid) is not None and int(uid) in trusted_uids


def _loads(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        data = orjson.loads(text)
    except ValueError:
        data = _loads_leniently(text)
    return data if isinstance(data, dict) else {}


def _loads_leniently(text: str) -> Any:
    """What orjson refuses and `_data_leniently` writes: integers over 64 bits, lone surrogates."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


#: The last number that a process can give.
LAST: Final = sys.maxsize


def _new_process() -> None:
    global _token, _numbers, _ended
    _token = new_token()
    _numbers = iter(range(1, LAST))
    _ended = 0


_token: str
#: Takes as long as itertools.count(), but says how many are left.
_numbers: Iterator[int]
#: The number of the END that was written last.
_ended: int
_new_process()
os.register_at_fork(after_in_child=_new_process)


def _end() -> None:
    """Say that this event is the last one, unless there was none since that was said."""
    global _ended
    try:
        count = LAST - 1 - length_hint(_numbers)
        if count > _ended:
            entry = _entry("END", f"{count} events, process {os.getpid()} ends", "")
            _ended = int(entry["PROPPY_ID"].rpartition(":")[2])
            process_outbox().write(entry)
    except Exception:  # a process must be able to end
        logger.exception("that no more events come could not be told")


before_exit(_end)
