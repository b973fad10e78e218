"""Checks one batch of entries: their numbers, the losses that processes report, and the refused ones."""

from collections.abc import Collection
from dataclasses import dataclass, field

from notifications.events.encoding import event_of, is_trusted
from notifications.events.event import SERIES
from notifications.events.series_events import found_in
from notifications.journal import SUPPRESSED
from notifications.losses import found_losses
from notifications.losses.observed_entry import Observed
from notifications.losses.refused_entries import FOREIGN, MALFORMED, NO_CHANNEL, NO_SERIES, Refusals
from notifications.losses.when_to_give_up import JournalTime
from notifications.losses.writers import Writers, WriterState
from notifications.models import Loss


@dataclass(slots=True)
class Audit:
    """`names` are the names that events may have. `lenient`: the batch may have a gap anywhere."""

    writers: Writers
    refusals: Refusals
    time: JournalTime
    trusted: frozenset[int]
    names: Collection[str]
    lenient: bool
    #: Names that no channel has.
    unknown: set[str] = field(default_factory=set)
    #: The losses that processes reported.
    losses: list[Loss] = field(default_factory=list)

    def check(self, event: Observed) -> None:
        """Checks one entry of any kind."""
        fields = event.entry.fields
        self.time.entry_read(event.entry.time_us)
        if "PROPPY_EVENT" in fields:
            if is_trusted(event.entry, self.trusted):
                self._count(event)
            else:
                self.refusals.add(FOREIGN, event.entry)
        elif "MESSAGE_ID" in fields:
            if fields["MESSAGE_ID"] == SUPPRESSED and fields.get("_TRANSPORT") == "driver":
                self.writers.suppressions.add(event.entry.time_us, fields)
        else:
            self._remember_unit(event)

    def _count(self, event: Observed) -> None:
        writer = None
        if event.token_and_number is not None:
            token, number = event.token_and_number
            writer = self.writers.find(token, event.entry)
            writer.came(number, event.entry, is_end=event.name == "END", lenient=self.lenient)
        if not event.is_well_formed:
            self.refusals.add(MALFORMED, event.entry)
        elif event.name not in self.names:
            self.refusals.add(NO_CHANNEL, event.entry, name=event.name)
            self.unknown.add(event.name)
        elif event.name == "LOST":
            self._add_reported_loss(event, writer)
        elif event.name == SERIES:
            self._check_series(event)

    def _check_series(self, event: Observed) -> None:
        """The channel only logs one that says nothing sensible."""
        read = event_of(event.entry, self.trusted)
        if read is None:  # is_well_formed has seen to that
            return
        try:
            found_in(read)
        except ValueError:
            self.refusals.add(NO_SERIES, event.entry, name=SERIES)

    def _add_reported_loss(self, event: Observed, writer: WriterState | None) -> None:
        loss = found_losses.reported_by_process(event, writer)
        self.losses.append(loss)
        if writer is not None and loss.count:
            writer.explain(loss.count)

    def _remember_unit(self, event: Observed) -> None:
        """Remembers a unit that writes plain lines with our identifier: journald may suppress some of them."""
        fields = event.entry.fields
        unit = fields.get("_SYSTEMD_UNIT")
        if isinstance(unit, str) and unit not in self.writers.units and is_trusted(event.entry, self.trusted):
            self.writers.remember_unit(unit)
