"""Records the steps of each request. handlers.py imports it, in workers only."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.core.exceptions import NON_FIELD_ERRORS
from django.dispatch import receiver
from django.utils import timezone

from notifications import on_event
from notifications.conf import conf
from notifications.events.event import Event
from notifications.models import RawPayload
from notifications.signals import event_delivered, payload_failed, payload_handled
from notifications.utils import graphemes
from notifications.utils.clean_text import clean
from proppy.models import ContactMessage, Photo, Step

#: The sources whose handling belongs to a visitor's request.
DONE: Final = {
    "welcome": "Welcome mail sent",
    "photo": "Photo verified and moved to the storage",
    "contact": "Form parsed and checked",
}
#: How the page shows an event's text, by channel.
DELIVERED: Final = {"SLACK": "Sent to Slack: {}", "REPORT": "Counted: one more {}"}
UNREAD: Final = "Something went wrong on our side. Your message is kept, and we will read it."
UNFINISHED: Final = "Something went wrong on our side. Your photo is kept, and we will look at it."


@on_event("TRACE")
def record_request(event: Event) -> None:
    """Record how long the request itself took, as measured by the middleware."""
    milliseconds = _number(event.data.get("ms"))
    _record(event.data.get("trace"), "web", "answer", event.text, event.time, milliseconds)
    Step.objects.forget_old()


@receiver(payload_handled, dispatch_uid="proppy.steps")
def record_handled(*, payload: RawPayload, milliseconds: float, **_: Any) -> None:
    if payload.source in DONE:
        refused = Photo.objects.filter(receipt=payload.receipt, state=Photo.State.REFUSED)
        is_refused = payload.source == "photo" and refused.exists()
        what = "Photo refused" if is_refused else DONE[payload.source]
        _record_attempt(payload, "done", what, milliseconds)


@receiver(payload_failed, dispatch_uid="proppy.steps")
def record_failed(*, payload: RawPayload, final: bool, **_: Any) -> None:
    """Visitors see that it failed, the admin sees why."""
    if payload.source in DONE:
        then = "given up, the team can see it" if final else "it is tried again"
        _record_attempt(payload, "failed", f"Attempt {payload.attempts} failed: {then}", 0.0)
    if final and payload.source == "photo":
        waiting = Photo.objects.filter(receipt=payload.receipt, state=Photo.State.WAITING)
        waiting.update(state=Photo.State.REFUSED, reason=UNFINISHED)
    if final and payload.source == "contact":
        verdict = {"trace": trace_of_payload(payload), "errors": {NON_FIELD_ERRORS: [UNREAD]}}
        ContactMessage.objects.get_or_create(receipt=payload.receipt, defaults=verdict)


def _record_attempt(payload: RawPayload, outcome: str, what: str, milliseconds: float) -> None:
    ref = f"{payload.receipt} {outcome} {payload.attempts}"
    _record(trace_of_payload(payload), "process_raw", ref, what, timezone.now(), milliseconds, ok=outcome == "done")


@receiver(event_delivered, dispatch_uid="proppy.steps")
def record_delivered(*, channel: str, event: Event, milliseconds: float, **_: Any) -> None:
    if event.name != "TRACE":
        what = DELIVERED.get(channel, "{}").format(event.text)
        if channel == "SLACK" and not _has_slack():
            what += " (printed in the terminal: no SLACK_WEBHOOK_URL)"
        _record(event.data.get("trace"), channel, event.id, what, timezone.now(), milliseconds)


def _has_slack() -> bool:
    slack = conf.channels.get("SLACK")
    return slack is not None and any(str(slack.options.get(name, "")).strip() for name in ("token", "webhook_url"))


def _record(
    trace: object, actor: str, ref: str, what: str, ended: datetime, milliseconds: float, *, ok: bool = True
) -> None:
    if not isinstance(trace, str) or not trace or len(trace) > 32:
        return
    at = ended - timedelta(milliseconds=milliseconds)
    what = graphemes.first(clean(what), 500)
    took = round(milliseconds, 1)  # the admin's list shows all digits
    Step.objects.record(Step(trace=trace, actor=actor, ref=ref, what=what, at=at, milliseconds=took, ok=ok))


def trace_of_payload(payload: RawPayload) -> str:
    """The id of the request that it came with; "" for one that did not come through the site."""
    return payload.headers.get("x-request-id", "")[:32]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
