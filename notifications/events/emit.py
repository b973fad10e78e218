"""emit(): writes an event to the journal, in one readable line."""

import logging
import os
import sys
import threading
from asyncio import _get_running_loop
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from operator import length_hint
from typing import Any, Final
from uuid import UUID

from django.core.signals import setting_changed
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.conf import conf
from notifications.database.loop_connections import thread_connection
from notifications.database.transactions import in_own_block
from notifications.events.encoding import SHORT, cut, dump_data, readable
from notifications.events.event import NAME, RESERVED
from notifications.events.in_hand import receipt_in_hand
from notifications.events.outbox import Outbox
from notifications.events.process_token import new_token
from notifications.journal import event_fields, journal_from_url
from notifications.utils.process_exit import before_exit

logger = logging.getLogger(__name__)


def emit(name: str, text: str, /, *, on_commit: bool = True, **fields: Any) -> None:
    """Write an event to the journal: `emit("SLACK", "Ada signed up", user=7)`.

    `name` is that of the channel ([A-Z][A-Z0-9_]{0,31}), `text` a readable line, `fields` any JSON values. Inside a
    transaction, on any database, the event is written after its commit, and dropped by a rollback, unless
    `on_commit=False`.
    Never waits and never raises. An event that cannot be written is queued. If the queue is full it is dropped,
    counted and reported.
    """
    try:
        if type(name) is not str or name not in _checked_names:
            name = _checked_name(name)
        if type(text) is not str or len(text) > SHORT:
            text = cut(readable(text))
        data = dump_data(fields) if fields else ""
        if on_commit and (open_here := _open_transactions()):
            _send_after(open_here, (name, text, data, receipt_in_hand.get()))
        else:
            # As _send() does: each call of a function counts here.
            outbox, event_id = process_outbox(), f"{_token}:{next(_numbers)}"
            outbox.write_record(outbox.journal.encode_event(name, text, event_id, data, receipt_in_hand.get()))
    except Exception:  # an event must never fail the request
        logger.exception("emit(%r, …) dropped its event", name)


class _Thread(threading.local):
    """This thread's database connection. Django's own look-up takes a fifth of the time of emit()."""

    connection: BaseDatabaseWrapper | None = None


_thread = _Thread()


def forget_connection() -> None:
    """For tests that replace this thread's connection: look it up again."""
    _thread.connection = None


def _remember_connection() -> BaseDatabaseWrapper:
    _thread.connection = thread_connection()
    return _thread.connection


def _open_transactions() -> list[BaseDatabaseWrapper]:
    """The connections here that are in a transaction. Of those of a test case, only the default one counts."""
    default = _thread.connection or _remember_connection()
    if _get_running_loop() is not None:
        default = _connection_on_loop(default)
    open_here = [default] if default.in_atomic_block else []
    if len(connections.settings) > 1:
        open_here += [db for db in connections.all(initialized_only=True) if db is not default and in_own_block(db)]
    return open_here


def _connection_on_loop(connection: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    """On an event loop Django has another connection for each task. A transaction may be open on either."""
    return connection if connection.in_atomic_block else transaction.get_connection()


def _send_after(open_here: list[BaseDatabaseWrapper], parts: tuple[str, str, str, UUID | None]) -> None:
    """Send once all of these transactions are committed: a rollback of any one drops its hook."""
    left = list(open_here)

    def hook_of(db: BaseDatabaseWrapper) -> Callable[[], None]:
        def committed() -> None:  # not a partial: Django logs a failed hook by its __qualname__, which a partial lacks
            left.remove(db)
            if not left:
                _send(*parts)

        return committed

    for db in open_here:
        db.on_commit(hook_of(db), robust=True)


def _checked_name(name: object) -> str:
    """A valid one as a plain str, which is remembered. Raises TypeError or ValueError for another one."""
    if not isinstance(name, str):
        raise TypeError(f'emit() takes the event\'s name first, emit("SLACK", "…"), not {type(name).__name__}')
    name = str.__str__(name)  # not what a subclass, such as an Enum, prints
    if not NAME.fullmatch(name) or name in RESERVED:
        raise ValueError(
            f"{name!r} is not a valid event name: write up to 32 capital letters, digits and _;"
            f" {', '.join(sorted(RESERVED))} are reserved"
        )
    if len(_checked_names) < MOST_NAMES:
        _checked_names.add(name)
    return name


#: Valid names that were used. A product has a few.
_checked_names: set[str] = set()
MOST_NAMES: Final = 1000


def _send(name: str, text: str, data: str, receipt: UUID | None) -> None:
    outbox, event_id = process_outbox(), f"{_token}:{next(_numbers)}"
    outbox.write_record(outbox.journal.encode_event(name, text, event_id, data, receipt))


def new_entry(name: str, text: str, data: str = "", receipt: UUID | None = None) -> dict[str, str]:
    """The journal entry of an event, with this process's next number.

    `data`: its fields as JSON, "" if none. `receipt`: of the payload in hand.
    """
    return event_fields(name, text, f"{_token}:{next(_numbers)}", data, receipt)


def lost_entry(reason: str, count: int, since: datetime, until: datetime) -> dict[str, str]:
    """The entry that reports `count` lost events of this process: the `LostEntry` of its outbox."""
    fields = {"reason": reason, "count": count, "since": since, "until": until, "pid": os.getpid()}
    return new_entry("LOST", f"{count} events: {reason}", dump_data(fields))


@cache
def process_outbox() -> Outbox:
    """The outbox of this process."""
    return Outbox(journal_from_url(conf.journal_url, conf.state_dir), lost_entry)


def _forget_outbox(*, setting: str, **_: Any) -> None:
    if setting in {"NOTIFICATIONS_JOURNAL_URL", "NOTIFICATIONS_STATE_DIR"}:
        process_outbox.cache_clear()


setting_changed.connect(_forget_outbox, dispatch_uid="notifications.events.emit")


#: The end of the numbers of one process.
LAST: Final = sys.maxsize


def _new_process() -> None:
    global _token, _numbers, _ended
    _token = new_token()
    _numbers = iter(range(1, LAST))
    _ended = 0


_token: str
#: As fast as itertools.count(), but its length_hint() tells how many numbers are used.
_numbers: Iterator[int]
#: The number of the last END, or 0.
_ended: int
_new_process()
os.register_at_fork(after_in_child=_new_process)


def _numbers_used() -> int:
    return LAST - 1 - length_hint(_numbers)


def _write_end() -> None:
    """Write END as the last event, unless no event was written since the last END."""
    try:
        if _numbers_used() > _ended:
            process_outbox().end(_end_entry)
    except Exception:  # a process must be able to end
        logger.exception("the END event of this process could not be written")


def _end_entry() -> dict[str, str]:
    global _ended
    entry = new_entry("END", f"{_numbers_used()} events, process {os.getpid()} ends", "")
    _ended = int(entry["PROPPY_ID"].rpartition(":")[2])
    return entry


before_exit(_write_end)
