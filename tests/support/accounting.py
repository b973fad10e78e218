"""An accountant over entries that a test makes, with a clock that stands still unless it is moved."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import transaction

from notifications.events.process_token import new_token
from notifications.journal import SUPPRESSED, Entry
from notifications.losses import Accountant
from notifications.models import Loss

MACHINE: Final = "machine"
JOURNALD: Final = "journald://tests"
START: Final = 1_800_000_000.0
UNIT: Final = "proppy-web@1.service"


class Office:
    """`write()` makes entries at the time that it is, `read()` hands them over."""

    def __init__(self, journal: str = JOURNALD, *, channels: Sequence[str] = ("SLACK",), alert: str = "") -> None:
        self.now = START
        self.token = new_token()
        self.written: list[Entry] = []
        self.channels = list(channels)
        self._journal, self._alert = journal, alert
        self._read = 0
        self.start()

    def start(self) -> None:
        """Anew, as after a kill: what was not read is still there."""
        self.accountant = Accountant(
            MACHINE, self._journal, lambda: self.channels, alert=self._alert, clock=lambda: self.now
        )

    def write(self, *numbers: int, token: str = "", name: str = "SLACK", text: str = "x", **fields: Any) -> None:
        """Events of a writer, by default of this process."""
        for number in numbers:
            own = {"MESSAGE": f"{name}: {text}", "PROPPY_EVENT": name, "PROPPY_ID": f"{token or self.token}:{number}"}
            self.write_fields(**own | fields)

    def write_fields(self, **fields: Any) -> None:
        """Any entry of a trusted user."""
        known = {"_UID": str(os.getuid()), "_PID": str(os.getpid()), "_SYSTEMD_UNIT": UNIT, "_TRANSPORT": "journal"}
        fields = {"SYSLOG_IDENTIFIER": "proppy"} | known | fields
        us = int(self.now * 1_000_000) + len(self.written)
        self.written.append(Entry(str(len(self.written)), us, {k: v for k, v in fields.items() if v is not None}))

    def suppressed(self, count: int, unit: str = UNIT) -> None:
        """As journald writes it."""
        self.write_fields(
            MESSAGE=f"Suppressed {count} messages from {unit}",
            MESSAGE_ID=SUPPRESSED,
            N_DROPPED=str(count),
            OBJECT_SYSTEMD_UNIT=unit,
            SYSLOG_IDENTIFIER="systemd-journald",
            _TRANSPORT="driver",
            _SYSTEMD_UNIT=None,
            _UID="0",
        )

    def read(self, *, rolled_back: bool = False) -> None:
        """As a follower does: all that was written, in one transaction."""
        entries = self.written[self._read :]
        if not entries:
            return
        with transaction.atomic():
            self.accountant.deliver([self.accountant.observe(entry) for entry in entries])
            transaction.set_rollback(rolled_back)
        if not rolled_back:
            self._read += len(entries)

    def idle(self) -> None:
        self.read()
        self.accountant.idle()

    def wait(self, seconds: float = 0) -> None:
        """Let time pass in a quiet journal: a follower's tick after a minute, and a little more."""
        self.now += seconds + 61
        self.write_fields(MESSAGE="TICK: x", PROPPY_EVENT="TICK")
        self.idle()
        self.now += 11
        self.idle()


def losses() -> list[tuple[int | None, str]]:
    """Count and the beginning of the reason, in order."""
    return [(loss.count, loss.reason.partition(":")[0][:20]) for loss in Loss.objects.order_by("pk")]


def moment(seconds: float) -> datetime:
    """So many seconds after START."""
    return datetime.fromtimestamp(START, UTC) + timedelta(seconds=seconds)
