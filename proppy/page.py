"""The page's parts that show the work after the answer, of the visitor's own requests only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from notifications.conf import conf
from proppy.forms import ContactForm
from proppy.models import ContactMessage, Step
from proppy.visits import CONTACT, Visit

#: Width of a timeline in its own units.
WIDTH: Final = 1000
#: Keeps a millisecond visible on a timeline of a minute.
THINNEST: Final = 6
#: A timeline is at least this long, in milliseconds: fast machines look fast.
SHORTEST: Final = 50.0
PHOTOS_SHOWN: Final = 12
#: After this, something is wrong rather than late, and the page stops polling every second.
PATIENCE: Final = timedelta(minutes=1)
#: The actors with work for each followed form, and their labels; a channel only if it is configured.
EXPECTED: Final = {"web": "the cost", "process_raw": "process_raw", "SLACK": "Slack", "REPORT": "the report"}


@dataclass(frozen=True, slots=True)
class Bar:
    """A step on the timeline: how long after the request it began, and its place and width."""

    step: Step
    after: float
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Life:
    """One request and its steps."""

    visit: Visit
    bars: list[Bar]
    awaited: list[str]

    @property
    def request(self) -> Step | None:
        """The step that the visitor waited for, once it is recorded."""
        return next((bar.step for bar in self.bars if bar.step.actor == "web"), None)

    @property
    def is_late(self) -> bool:
        return bool(self.awaited) and timezone.now() - self.visit.started > timedelta(seconds=5)

    @property
    def is_fresh(self) -> bool:
        return bool(self.awaited) and timezone.now() - self.visit.started < PATIENCE


def live_parts(visits: Sequence[Visit], user: AbstractBaseUser | AnonymousUser, receipt: UUID | None) -> dict[str, Any]:
    """The template context of the parts that update by themselves."""
    lives = _lives(visits)
    return {
        "lives": lives,
        "awaiting": any(life.is_fresh for life in lives),
        "photos": user.photos.order_by("-id")[:PHOTOS_SHOWN] if isinstance(user, User) else [],
        "contact": ContactForm(initial=_name_and_email(user)),
        "receipt": receipt,
        **_verdict(visits, receipt),
    }


def _name_and_email(user: AbstractBaseUser | AnonymousUser) -> dict[str, str]:
    """The contact form's initial values for a signed-in user."""
    return {"name": user.get_full_name(), "email": user.email} if isinstance(user, User) else {}


def _verdict(visits: Sequence[Visit], receipt: UUID | None) -> dict[str, Any]:
    """A worker's verdict on the form with this receipt, if it is the visitor's own."""
    sent = {visit.trace: visit.started for visit in visits if visit.what == CONTACT}
    if receipt is None or not sent:
        return {}
    message = ContactMessage.objects.filter(receipt=receipt, trace__in=list(sent)).first()
    if message is None:
        return {"unread": True, "reading": timezone.now() - max(sent.values()) < PATIENCE}
    if message.failure or not message.errors:
        return {"message": message}
    return {"message": message, "contact": _as_sent(message)}


def _as_sent(message: ContactMessage) -> ContactForm:
    """The form as sent, with the worker's errors beside the fields."""
    sent = {"name": message.name, "email": message.email, "text": message.text}
    form = ContactForm(sent)
    form.errors.clear()  # only the worker's verdict counts
    for field, errors in message.errors.items():
        form.add_error(field if field in form.fields else None, errors)
    return form


def _lives(visits: Sequence[Visit]) -> list[Life]:
    steps: dict[str, list[Step]] = {visit.trace: [] for visit in visits}
    for step in Step.objects.filter(trace__in=list(steps)).order_by("at", "id"):
        steps[step.trace].append(step)
    return [_life(visit, steps[visit.trace]) for visit in visits]


def _life(visit: Visit, steps: list[Step]) -> Life:
    start = min([visit.started, *(step.at for step in steps if step.actor == "web")])
    length = max([SHORTEST, *(_milliseconds_after(start, step.at) + step.milliseconds for step in steps)])
    bars = [_bar(step, _milliseconds_after(start, step.at), length) for step in steps]
    return Life(visit, bars, _awaited(steps))


def _milliseconds_after(start: datetime, at: datetime) -> float:
    """Milliseconds. Never negative: clocks of two machines differ."""
    return max(0.0, (at - start) / timedelta(milliseconds=1))


def _bar(step: Step, after: float, length: float) -> Bar:
    width = max(THINNEST, step.milliseconds / length * WIDTH)
    return Bar(step, after / 1000, round(min(after / length * WIDTH, WIDTH - width), 1), round(width, 1))


def _awaited(steps: Sequence[Step]) -> list[str]:
    done = {step.actor for step in steps if step.ok}
    possible = {"web", "process_raw", *conf.channels}
    return [label for actor, label in EXPECTED.items() if actor in possible - done]
