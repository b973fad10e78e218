"""Machines that share a PostgreSQL tell each other how they are. One of them reports what concerns all.

On SQLite there is one machine, and no row.
"""

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import Error

from notifications.database import bounded_wait
from notifications.database.deadline import deadline
from notifications.models import Machine, ReportedProblem
from notifications.operations.alert_mark import CRITICAL
from notifications.operations.problem import SHARED, Problem
from notifications.positions.key import has_id, machine_id, remember_machine_id
from notifications.utils.times import utc_now
from notifications.workers.heartbeat import Beat

logger = logging.getLogger(__name__)

#: A machine that was not seen for so long is silent, and another one reports for all. A look may take a minute.
SILENT: Final = timedelta(minutes=3)
#: The name of no problem: what a machine that ended in order has left undone.
LEFT: Final = "left"
#: Seconds for the database.
LONGEST: Final = 2.0


def are_several_possible() -> bool:
    """Whether other machines can use this database."""
    return bounded_wait.connection().vendor == "postgresql"


def begin() -> None:
    """A worker starts, to stay: a machine without an id keeps the name that it has now. Raises OSError."""
    if are_several_possible() and not has_id():
        remember_machine_id()


def take_part(problems: Iterable[Problem], workers: Sequence[Beat]) -> bool:
    """Tell the others how this machine is. Returns whether it reports what concerns all: one does, of those not silent.

    False while the database is away.
    """
    if not are_several_possible():
        return True
    ours, now = machine_id(), utc_now()
    own = [each.as_dict() for each in problems if each.name not in SHARED and not each.elsewhere]
    values = {
        "host": os.uname().nodename,
        "seen_at": now,
        "problems": own,
        "workers": [asdict(each) for each in workers],
    }
    try:
        with deadline(LONGEST):
            Machine.objects.update_or_create(machine=ours, defaults=values)
            seen = Machine.objects.filter(seen_at__gt=now - SILENT).order_by("machine")
            return seen.values_list("machine", flat=True).first() == ours
    except Error as error:
        logger.warning("Other machines cannot be told how this one is: %s", error)
        bounded_wait.connection().close()
        return False


def take_leave(left: str) -> None:
    """The last worker of this machine has ended in order: the others forget it, unless something is `left`, in words.

    Raises nothing. Those who are not told find it silent.
    """
    try:
        with deadline(LONGEST):
            ours = Machine.objects.filter(machine=machine_id())
            if left:
                ours.update(problems=[{"name": LEFT, "text": left}], workers=[])
            else:
                ours.delete()
    except Error as error:
        logger.warning("Other machines cannot be told that this one ends: %s", error)
        bounded_wait.connection().close()


class SharedMark:
    """As `alert_mark.Mark`, for what concerns all machines: in their database."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._since: float | None = None

    def is_set(self) -> bool:
        """As any machine left it; as this one knew it last while the database is away."""
        return self.since() is not None

    def since(self) -> float | None:
        """When the reported problem began, in seconds since the epoch; None if none is reported."""
        try:
            with deadline(LONGEST):
                found = ReportedProblem.objects.filter(mark=self.name).values_list("since", flat=True).first()
        except Error:
            bounded_wait.connection().close()
            return self._since
        self._since = found.timestamp() if found else None
        return self._since

    def level(self) -> int:
        """The gravest: what all share is not reported a second time."""
        return CRITICAL if self.is_set() else 0

    def set(self, since: float | None, level: int = CRITICAL) -> None:
        """Remember that it is reported, and since when; or, with None, that it is over."""
        self._since = since
        try:
            with deadline(LONGEST):
                if since is None:
                    ReportedProblem.objects.filter(mark=self.name).delete()
                else:
                    began = datetime.fromtimestamp(since, UTC)
                    ReportedProblem.objects.update_or_create(mark=self.name, defaults={"since": began})
        except Error as error:  # it may be reported again
            logger.warning("That %s was reported cannot be remembered: %s", self.name, error)
            bounded_wait.connection().close()


def shared_marks() -> list[str]:
    """The names of those that are set; none while the database is away."""
    if not are_several_possible():
        return []
    try:
        with deadline(LONGEST):
            return list(ReportedProblem.objects.values_list("mark", flat=True))
    except Error:
        bounded_wait.connection().close()
        return []
