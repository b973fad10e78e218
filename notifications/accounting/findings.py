"""What was found to be lost, as rows."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from notifications.accounting.books import Book
from notifications.accounting.numbers import Run
from notifications.accounting.observed import origin_of_unit
from notifications.accounting.suppressed import REASON, Suppressed
from notifications.clean import clean
from notifications.events import Event
from notifications.models import Loss
from notifications.times import moment_of

LARGEST: Final = 2**63
MISSING: Final = "they never came to the journal, or were removed from it before they were read"
GONE: Final = "killed, or ended without saying so: whether its last events reached the journal is unknown"
#: Microseconds between two holes that are told as one.
NEAR: Final = 1_000_000


def told_by_process(event: Event, book: Book | None) -> Loss:
    """What `emit()` had to drop, as its LOST event says."""
    data = event.data
    return Loss(
        key=clean(event.id or f"{event.time.isoformat()} {event.text}"),
        origin=book.origin if book else clean(f"process {data.get('pid')}"),
        reason=clean(str(data.get("reason", event.text))),
        count=_count(data.get("count")),
        since=_moment(data.get("since")),
        until=_moment(data.get("until")) or event.time,
    )


def missing(book: Book, journal: str, runs: Sequence[Run], reason_of: Callable[[str, Run], str]) -> list[Loss]:
    """Numbers that will not come any more, but for those that the process itself has told as lost."""
    with_reasons = [(run, reason_of(book.origin, run)) for run in runs]
    found: list[Loss] = []
    before: Run | None = None
    for run, reason in sorted(with_reasons, key=lambda each: (bool(each[1]), each[0])):
        told = min(run.size, book.explained)
        book.explained -= told
        if told < run.size:
            _add(found, _hole(book, journal, run, run.size - told, reason or MISSING), run, before)
            before = run
    return found


def _add(found: list[Loss], loss: Loss, run: Run, before: Run | None) -> None:
    last = found[-1] if found else None
    if last is None or before is None or last.reason != loss.reason or (run.since or run.until) > before.until + NEAR:
        found.append(loss)
    else:
        last.count = (last.count or 0) + (loss.count or 0)
        last.until = loss.until


def _hole(book: Book, journal: str, run: Run, count: int, reason: str) -> Loss:
    return Loss(
        key=f"missing {journal} {book.token}:{run.first}",
        origin=book.origin,
        reason=reason,
        count=count,
        since=None if run.since is None else moment_of(run.since),
        until=moment_of(run.until),
    )


def gone(book: Book, journal: str, now: int) -> Loss:
    """A process that was killed."""
    since, until = moment_of(book.seen), moment_of(now)
    return Loss(key=f"gone {journal} {book.token}", origin=book.origin, reason=GONE, since=since, until=until)


def plain_lines(each: Suppressed, journal: str) -> Loss:
    """Lines of a unit that journald dropped, and that were no events, as far as is known."""
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
