"""`prune_raw --containing`: shows what was found, asks, deletes, and lists what it cannot search."""

import sys
from collections.abc import Sequence

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from notifications.models import State
from notifications.operations import erase
from notifications.operations.erase import Found, Search, Waiting
from notifications.operations.pauses import unhurried
from notifications.utils.progress import ProgressBar
from notifications.workers.loop import stop_on_signals

NOT_SEARCHED = (
    "Not searched: backups and replicas of the database, the journal and other logs, Slack and mail, what handlers made"
    " of the payloads, the spools of other machines, and bodies that are compressed, encrypted or not in UTF-8."
)


class Dialogue:
    """One search, and what follows from it."""

    def __init__(self, search: Search, out: OutputWrapper) -> None:
        self._search, self._out = search, out

    def run(self, *, dry_run: bool, yes: bool) -> None:
        """Raises CommandError, database errors, and OSError."""
        waiting = self._search.spooled()
        found = self._find()
        if found is None:
            self._out.write("Stopped while searching: nothing was deleted.")
            return
        groups = self._search.groups()
        self._show(found, waiting, groups.count())
        if dry_run or not (found or waiting or groups):
            return
        if not (yes or self._agreed()):
            raise CommandError("Nothing was deleted. --yes deletes without asking.")
        spooled = erase.erase_spooled(waiting)
        self._erase(found, spooled)
        if blanked := erase.blank(groups):
            self._out.write(f"{blanked} titles of failure groups were shortened to the exception's type.")

    def _find(self) -> list[Found] | None:
        found: list[Found] = []
        with stop_on_signals() as stop, ProgressBar(self._out, self._search.selection.count()) as progress:
            for some in self._search.payloads():
                found += some
                progress.show(self._search.seen)
                if stop.is_set():
                    break
        return None if stop.is_set() else found

    def _show(self, found: Sequence[Found], waiting: Sequence[Waiting], groups: int) -> None:
        for each in found:
            time = timezone.localtime(each.received_at)
            where = ", ".join(each.parts)
            self._out.write(f"{each.receipt} {time:%Y-%m-%d %H:%M:%S} {each.state:<11} {each.source}: in {where}")
        for path, _ in waiting:
            self._out.write(f"{path} in the spool")
        parts = [f"{len(found)} of {self._search.seen} payloads"]
        parts += [f"{len(waiting)} in the spool"] if waiting else []
        parts += [f"{groups} titles of failure groups"] if groups else []
        self._out.write(f"{', '.join(parts)} contain it.")
        if self._search.unread:
            self._out.write(f"{self._search.unread} could not be read, and may contain it: {self._search.problem}")
        self._out.write(NOT_SEARCHED)

    def _agreed(self) -> bool:
        if not (sys.stdin.isatty() and self._out.isatty()):
            return False
        self._out.write('This cannot be undone. Write "delete" to delete them: ', ending="")
        self._out.flush()
        return sys.stdin.readline().strip() == "delete"

    def _erase(self, found: Sequence[Found], deleted: int) -> None:
        gone = 0
        with stop_on_signals() as stop, ProgressBar(self._out, len(found)) as progress:
            for some in unhurried(erase.erase(found), stop.wait):
                gone += some
                progress.show(gone)
                if stop.is_set():
                    break
        self._out.write(f"{gone + deleted} payloads deleted.")
        if stop.is_set():
            self._out.write("Stopped: run it again for the rest.")
        elif left := len(found) - gone:
            raise CommandError(
                f"{left} were left: a worker is handling them ({State.PROCESSING}), or somebody else deleted them."
                " Run it again in a minute."
            )
