"""The life of a payload: when it came, how long it waited, each attempt, the events it emitted, what people did."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import exact, last_line, when
from notifications.admin.lists.names import address
from notifications.admin.payloads.emitted import Emitted, emitted
from notifications.admin.payloads.steps import Step, seconds_after, with_events
from notifications.models import Attempt, FailureGroup, OperatorAction, RawPayload, State
from notifications.models.attempts import MOST, Outcome
from notifications.utils.durations import span

#: Actions to show: the last ones.
ACTIONS: Final = 100
#: Steps to show at the start and at the end; those between are folded.
FIRST: Final = 2
LAST: Final = 8
#: More events of one step are folded.
OPEN_EVENTS: Final = 5
#: Units of the drawing: its width, and the least width of a bar that people can see.
WIDTH: Final = 1000.0
THINNEST: Final = 6.0
ENDS: Final[dict[str, str]] = {
    Outcome.FAILED: "failed",
    Outcome.DEAD: "failed, and was the last",
    Outcome.CONFLICT: "met a conflict with another transaction",
    Outcome.LOST: "lost its worker, which died or was stopped hard",
    Outcome.DONE: "succeeded",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A step as it is drawn, after a wait since the step before. `x` and the widths are units of WIDTH."""

    step: Step
    exact: str
    after: str
    took: str
    wait_x: float
    wait: float
    x: float
    width: float


def life_of(payload: RawPayload, *, patiently: bool = False) -> dict[str, object]:
    """The context of life.html. `patiently`: somebody waits for the whole journal."""
    attempts = list(Attempt.objects.filter(payload=payload.pk).order_by("-pk")[: MOST + 1])[::-1]
    actions = list(OperatorAction.objects.filter(payload=payload.pk).order_by("-pk")[:ACTIONS])[::-1]
    received = Step(at=payload.received_at, what="Received and stored", kind="intake")
    was_tried = bool(payload.attempts or payload.done_at or attempts)
    told = emitted(payload, patiently=patiently) if was_tried else Emitted([])
    # It came first, whatever the clocks of several machines say.
    steps = [received, *sorted(_steps(payload, attempts, actions), key=lambda step: step.at)]
    bars = list(_bars(with_events(steps, told.events)))
    fold = len(bars) > FIRST + LAST + 1
    parts = {"first": bars[:FIRST], "folded": bars[FIRST:-LAST], "last": bars[-LAST:]} if fold else {"first": bars}
    return {
        **parts,
        "bars": bars,
        "open_events": OPEN_EVENTS,
        "next": _next(payload),
        "left_out": len(attempts) >= MOST,
        "emitted": told,
    }


def _steps(payload: RawPayload, attempts: Sequence[Attempt], actions: Iterable[OperatorAction]) -> Iterator[Step]:
    groups = set(
        FailureGroup.objects.filter(pk__in={each.failure_id for each in attempts}).values_list("pk", flat=True)
    )
    for attempt in attempts:
        yield _attempt(
            attempt, address(FailureGroup, "change", attempt.failure_id) if attempt.failure_id in groups else ""
        )
    for action in actions:
        note = f" ({visible(action.note)})" if action.note else ""
        yield Step(
            at=action.at, what=f"{visible(action.what).capitalize()}{note}", who=visible(action.by), kind="person"
        )
    if payload.done_at and not any(
        each.outcome == Outcome.DONE and each.ended_at >= payload.done_at for each in attempts
    ):
        yield Step(at=payload.done_at, what="Handled, at the first attempt", kind="attempt")


def _attempt(attempt: Attempt, group: str) -> Step:
    took = None if attempt.milliseconds is None else attempt.milliseconds / 1000
    reason = "" if attempt.outcome == Outcome.LOST else last_line(attempt.traceback)
    release = f", release {visible(attempt.release)}" if attempt.release else ""
    end = ENDS.get(attempt.outcome, visible(attempt.outcome))  # a newer release may know more of them
    return Step(
        at=attempt.started_at or attempt.ended_at,
        what=f"Attempt {attempt.number} {end}{f': {reason}' if reason else ''}",
        who=f"{visible(attempt.worker) or 'its worker is unknown'}{release}",
        took=took,
        kind="attempt" if attempt.outcome == Outcome.DONE else "failed",
        group=group,
        traceback=visible(attempt.traceback),
        log=visible(attempt.log),
    )


def _bars(steps: Sequence[Step]) -> Iterator[Bar]:
    start = steps[0].at
    length = max(seconds_after(start, step.at) + (step.took or 0) for step in steps) or 1.0
    before = 0.0
    for step in steps:
        after, took = seconds_after(start, step.at), step.took or 0.0
        width = max(THINNEST, took / length * WIDTH)
        x = min(after / length * WIDTH, WIDTH - width)
        wait_x = min(before / length * WIDTH, x)
        shown = "" if step.took is None else span(step.took)
        yield Bar(
            step,
            exact(step.at),
            f"+{span(after)}" if after else "0 s",
            shown,
            *(round(each, 1) for each in (wait_x, x - wait_x, x, width)),
        )
        before = after + took


def _next(payload: RawPayload) -> str:
    """What comes next, in words; "" if nothing does."""
    if payload.state == State.PROCESSING:
        return "A worker has it now."
    if payload.state == State.QUARANTINED:
        return "It is in quarantine: nothing happens until somebody acts."
    if payload.state == State.DEAD:
        return "It is dead: nothing happens until somebody replays it."
    if payload.next_attempt_at is None:
        return ""
    return f"Its next attempt is due {when(payload.next_attempt_at)}."
