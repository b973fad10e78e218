"""The page of one payload: its fields, headers, traceback and body."""

from typing import Any, Final

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin import bodies
from notifications.admin.cells import EMPTY, moment, pre, since, text
from notifications.body_view import visible
from notifications.conf import Source, conf
from notifications.models import RawPayload

#: Characters of an error that are shown; the end of a traceback says the most.
LONGEST_ERROR: Final = 64 * 1024


@admin.display(description="receipt")
def receipt(payload: RawPayload) -> SafeString:
    return format_html('<code class="receipt">{}</code>', payload.receipt)


@admin.display(description="receipt")
def short_receipt(payload: RawPayload) -> SafeString:
    return format_html('<code class="receipt" title="{}">{}…</code>', payload.receipt, str(payload.receipt)[:8])


@admin.display(description="state")
def state(payload: RawPayload) -> SafeString:
    return format_html('<span class="state state-{}">{}</span>', payload.state, payload.state)


@admin.display(description="size")
def size(payload: RawPayload) -> str:
    return filesizeformat(payload.size)


@admin.display(description="age")
def age(payload: RawPayload) -> SafeString | str:
    return since(payload.received_at)


@admin.display(description="attempts")
def attempts(payload: RawPayload) -> str:
    rules = conf.sources.get(payload.source) or Source(name=payload.source)
    return f"{payload.attempts} of {rules.max_attempts}"


@admin.display(description="last error")
def error(payload: RawPayload) -> SafeString | str:
    return pre(payload.error[-LONGEST_ERROR:])


@admin.display(description="headers")
def headers(payload: RawPayload) -> SafeString | str:
    pairs = [(visible(name), visible(str(value))) for name, value in sorted(payload.headers.items())]
    return bodies.render("pairs.html", pairs=pairs, caption="Header") if pairs else EMPTY


@admin.display(description="body")
def body(payload: RawPayload) -> SafeString:
    return bodies.page_of(payload)


@admin.display(description="body")
def no_body(payload: RawPayload) -> str:
    return "You may not see bodies. That takes the permission “Can see the bodies of raw payloads”."


def fieldsets(*, with_body: bool) -> list[tuple[str | None, dict[str, Any]]]:
    """What the page shows, in the order of the questions that bring people to it."""
    shown = body if with_body else no_body
    return [
        (None, {"fields": [receipt, text("source"), state, moment("received_at")]}),
        ("Handling", {"fields": [attempts, *map(moment, ("next_attempt_at", "lease_until", "done_at")), error]}),
        ("Body", {"fields": [size, text("content_type"), text("digest"), shown]}),
        (
            "Request",
            {
                "fields": [
                    *map(text, ("method", "path", "query")),
                    text("remote_addr", "client address"),
                    text("idempotency_key"),
                    headers,
                ]
            },
        ),
    ]
