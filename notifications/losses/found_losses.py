"""Makes rows of losses."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from notifications.events.encoding import load_data
from notifications.journal import as_text
from notifications.losses.missing_numbers import Run
from notifications.losses.observed_entry import Observed, origin_of_unit
from notifications.losses.suppressed_by_journald import REASON, Suppressed
from notifications.losses.writers import WriterState
from notifications.models import Loss
from notifications.utils.clean_text import clean
from notifications.utils.times import moment_of

LARGEST: Final = 2**63
MISSING: Final = "they never came to the journal, or were removed from it before they were read"
GONE: Final = "killed, or ended without saying so: whether its last events reached the journal is unknown"
#: Holes that are closer are one row.
NEAR: Final = timedelta(seconds=1)


def reported_by_process(event: Observed, writer: WriterState | None) -> Loss:
    """Events that `emit()` dropped, from the LOST event of their process."""
    data = load_data(as_text(event.entry.fields.get("PROPPY_DATA")))
    return Loss(
        key=clean(event.id or f"{event.time.isoformat()} {event.text}"),
        origin=writer.origin if writer else clean(f"process {data.get('pid')}"),
        reason=clean(str(data.get("reason", event.text.removeprefix("LOST: ")))),
        count=_count(data.get("count")),
        since=_moment(data.get("since")),
        until=_moment(data.get("until")) or event.time,
    )


def missing(writer: WriterState, journal: str, runs: Sequence[Run], reason_of: Callable[[str, Run], str]) -> list[Loss]:
    """Numbers given up, without those that the process itself reported as lost."""
    with_reasons = [(run, reason_of(writer.origin, run)) for run in runs]
    found: list[Loss] = []
    for run, reason in sorted(with_reasons, key=lambda each: (bool(each[1]), each[0])):
        explained = min(run.size, writer.explained)
        writer.explained -= explained
        if explained < run.size:
            _add_or_merge(found, _loss_of(writer, journal, run, run.size - explained, reason or MISSING))
    return found


def _add_or_merge(found: list[Loss], loss: Loss) -> None:
    last = found[-1] if found else None
    if last is None or last.reason != loss.reason or (loss.since or loss.until) > last.until + NEAR:
        found.append(loss)
    else:
        last.count = (last.count or 0) + (loss.count or 0)
        last.until = loss.until


def _loss_of(writer: WriterState, journal: str, run: Run, count: int, reason: str) -> Loss:
    return Loss(
        key=f"missing {journal} {writer.token}:{run.first}",
        origin=writer.origin,
        reason=reason,
        count=count,
        since=None if run.since is None else moment_of(run.since),
        until=moment_of(run.until),
    )


def gone(writer: WriterState, journal: str, now: int) -> Loss:
    """A process that was killed."""
    since, until = moment_of(writer.seen), moment_of(now)
    return Loss(key=f"gone {journal} {writer.token}", origin=writer.origin, reason=GONE, since=since, until=until)


def plain_lines(each: Suppressed, journal: str) -> Loss:
    """Lines of a unit that journald dropped. No event is missing, so they were plain lines."""
    return Loss(
        key=f"suppressed {journal} {each.unit} {each.time}",
        origin=origin_of_unit(each.unit),
        reason=f"{REASON.format(unit=each.unit)} (at most so many, of its plain lines)",
        count=each.count,
        until=moment_of(each.time),
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < LARGEST else None


def _moment(value: object) -> datetime | None:
    try:
        moment = parse_datetime(str(value))
    except ValueError:
        return None
    return moment if moment and timezone.is_aware(moment) else None
