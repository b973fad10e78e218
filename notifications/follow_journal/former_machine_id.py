"""After a change of the machine id: records the events that were unread under the old one.

The journal's folder and the positions have the machine id in their names. STATE_DIR/machine-id has the id under which
this machine last followed. Machines may share a database, so only this file distinguishes an old id of this machine
from the id of another.
"""

import logging
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.database.transactions import atomic
from notifications.journal import JournaldJournal, parse_url
from notifications.journal.journald.stored_entries import journal_paths
from notifications.models import Account, Loss, Position, Refusal, Writer
from notifications.positions.key import LAST_ID, TEXT, machine_id, remember_machine_id
from notifications.status.lag_counting import Budget, Piece
from notifications.utils.times import utc_now

logger = logging.getLogger(__name__)

#: Seconds to count the unread events of one position.
SECONDS: Final = 5.0


def settle_former_ids() -> None:
    """Records unread events in the journals of this machine's former ids, once for each id.

    Positions in file journals move to the new id. Raises database errors.
    """
    path, ours = conf.state_dir / LAST_ID, machine_id()
    try:
        former = _former_ids(path, ours)
        for old in former:
            _settle(old, ours)
        remember_machine_id()
    except OSError as error:
        logger.warning("%s cannot be used, so whether this machine had another id is unknown: %s", path, error)


def _former_ids(path: Path, ours: str) -> list[str]:
    """Returns other ids that this machine had. Only one machine uses a SQLite database, so all its ids are this one's.

    If the file has the name of another host, this machine is a copy of that host, which may still run.
    """
    if path.exists():
        old, host = [*path.read_text().splitlines(), "", ""][:2]
        if old != ours and host and host != socket.gethostname():
            logger.warning("%s belongs to %s: this machine is a copy, and leaves those positions alone", path, host)
            return []
        known = [old]
    elif bounded_wait.connection().vendor == "sqlite":
        known = sorted(set(Position.objects.values_list("machine", flat=True)))
    else:
        known = []
    return [each for each in known if each not in {"", ours}]


def _settle(old: str, ours: str) -> None:
    logger.warning("The machine id was %s and is %s", old, ours)
    for position in Position.objects.filter(machine=old):
        scheme = urlsplit(position.journal).scheme
        if scheme == "journald" and position.channel != "REFUSED":  # refused entries are not lost events
            _record_unread(position)
        elif scheme == "file":
            _move_position(position, ours)


def _record_unread(position: Position) -> None:
    """Records a Loss if events were unread."""
    unread, where = _count_unread(position)
    if unread == 0:
        return
    Loss.objects.get_or_create(
        key=f"machine {position.machine}/{position.journal}/{position.channel} {position.cursor}",
        defaults={
            "origin": f"{socket.gethostname()}: {position.journal}",
            "channel": position.channel,
            "reason": f"the machine id was {position.machine}: events unread then are not delivered; {where}",
            "count": unread,
            "since": position.entry_time,
            "until": utc_now(),
        },
    )


def _count_unread(position: Position) -> tuple[int | None, str]:
    """How many events of the channel are after its position (None: unknown), and where they are."""
    _, namespace = parse_url(position.journal.removesuffix(TEXT))
    for folder in journal_paths(namespace, position.machine):
        piece = Piece([position])
        try:
            if any(folder.iterdir()):
                piece.read(JournaldJournal(namespace, archive=folder), position.cursor, None, Budget(SECONDS))
                lag = piece.lags[position.pk]
                events = None if lag.at_least else lag.events
                return events, f"they are in {folder}" + (", their number is unknown" if events is None else "")
        except (OSError, ValueError) as error:
            logger.info("%s cannot be read: %s", folder, error)
    return None, "their number is unknown, because their journal cannot be read"


def _move_position(position: Position, ours: str) -> None:
    """Moves a position to the new id. Settings name the folder of a file journal, so the position is still valid."""
    key = {"machine": ours, "journal": position.journal}
    with atomic():
        if not Position.objects.filter(**key, channel=position.channel).exists():
            Position.objects.filter(pk=position.pk).update(machine=ours)
        for model in (Account, Writer, Refusal):
            if not model.objects.filter(**key).exists():
                model.objects.filter(machine=position.machine, journal=position.journal).update(machine=ours)
