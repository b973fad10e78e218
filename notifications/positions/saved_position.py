"""Loads and saves the position of a channel in a journal. All functions raise database errors."""

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Case, F, Value, When
from django.db.models.functions import Coalesce

from notifications.models import Position
from notifications.models.aware_times import AwareDateTimeField
from notifications.positions.key import TEXT, Key, machine_id
from notifications.utils.clean_text import clean
from notifications.utils.times import moment_of, utc_now


class Stuck(NamedTuple):
    """A channel that cannot deliver: how many events wait, and for what."""

    waiting: int
    next_attempt_at: datetime
    problem: str
    held_until: datetime | None


def start(key: Key) -> str | None:
    """Returns where to start; None is the oldest entry.

    A new channel starts at the youngest position of its journal. That is saved at once: after a crash the other
    channels would have moved on.
    """
    ours = Position.objects.filter(machine=key.machine, journal=key.journal)
    youngest = ours.order_by(F("entry_time").desc(nulls_last=True)).values("cursor", "entry_time", "tally").first()
    position, _ = Position.objects.get_or_create(**key._asdict(), defaults=youngest or {})
    return position.cursor or None


def accountant_cursors(key: Key) -> list[str]:
    """How far the accountant has read the journal, in at most one cursor."""
    accountant = Position.objects.filter(machine=key.machine, journal=key.journal.removesuffix(TEXT), channel="LOST")
    return list(accountant.exclude(cursor="").values_list("cursor", flat=True))


def tally_of(key: Key) -> dict[str, Any] | None:
    """The tally saved with the position (see follow_journal/lost_in_gap.py).

    None if the position has moved since: an older release, which saves none, has followed meanwhile.
    """
    found = Position.objects.filter(**key._asdict()).values_list("cursor", "tally").first()
    return found[1] if found and found[1] and found[1].get("position") == found[0] else None


def find(key: Key, *, locked: bool = False) -> str | None:
    """Returns the channel's cursor, and creates nothing; None is the oldest entry.

    `locked`, in a transaction, locks the row: a COMMIT in flight still locks it, so we wait for that.
    """
    ours = Position.objects.filter(**key._asdict())
    if locked:
        ours = ours.select_for_update()
    return ours.values_list("cursor", flat=True).first() or None


def held_for(key: Key) -> float:
    """Seconds until the destination accepts requests again."""
    until = Position.objects.filter(**key._asdict()).values_list("held_until", flat=True).first()
    return max((until - utc_now()).total_seconds(), 0.0) if until else 0.0


def mark_delivered(channel: str) -> None:
    """Save that a channel of this machine delivered just now."""
    ours = Position.objects.filter(machine=machine_id(), channel=channel).exclude(journal__endswith=TEXT)
    ours.update(delivered_at=utc_now())


def save(key: Key, cursor: str, time_us: int, *, delivered: bool, tally: dict[str, Any] | None = None) -> None:
    """Save the position `cursor` of the entry at `time_us`, where nothing waits."""
    values: dict[str, Any] = {"cursor": cursor, "entry_time": moment_of(time_us), "tally": tally}
    values |= {"waiting": 0, "next_attempt_at": None, "problem": "", "problem_since": None}
    if delivered:
        values["delivered_at"] = utc_now()
    ours = Position.objects.filter(**key._asdict())
    if not ours.update(**values, updated_at=utc_now()):  # update_or_create() alone would SELECT first
        Position.objects.update_or_create(**key._asdict(), defaults=values)


def save_stuck(key: Key, stuck: Stuck) -> None:
    """Save how many events wait, for what and since when; the position stays."""
    now = utc_now()
    # An older release clears the problem alone.
    field = AwareDateTimeField()
    known = Coalesce("problem_since", Value(now, field), output_field=field)
    since = Case(When(problem="", then=Value(now, field)), default=known, output_field=field)
    values = stuck._asdict() | {"problem": clean(stuck.problem), "problem_since": since}
    Position.objects.filter(**key._asdict()).update(**values, updated_at=now)
