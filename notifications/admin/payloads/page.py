"""The page of one payload: its fields, headers, traceback and body."""

from collections.abc import Callable
from typing import Any, Final

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import EMPTY, duration, last_loaded_line, moment, pre, since, text, unbroken
from notifications.admin.lists.names import address
from notifications.admin.payloads import bodies
from notifications.admin.payloads.curl import curl
from notifications.conf import Source, conf
from notifications.models import FailureGroup, RawPayload
from notifications.models.states import DUE
from notifications.utils import graphemes
from notifications.utils.times import utc_now

#: Characters of an error to show: its end, which says the most.
LONGEST_ERROR: Final = 64 * 1024
HANDLING: Final = ("next_attempt_at", "lease_until", "done_at")


@admin.display(description="receipt")
def receipt(payload: RawPayload) -> SafeString:
    return format_html('<code class="receipt">{}</code>', payload.receipt)


@admin.display(description="receipt")
def short_receipt(payload: RawPayload) -> SafeString:
    return format_html('<code class="receipt" title="{}">{}…</code>', payload.receipt, str(payload.receipt)[:8])


@admin.display(description="state")
def state(payload: RawPayload) -> SafeString:
    return format_html('<span class="state state-{}">{}</span>', payload.state, payload.state)


@admin.display(description="size", ordering="size")
def size(payload: RawPayload) -> str:
    return filesizeformat(payload.size)


@admin.display(description="age", ordering="age")
def age(payload: RawPayload) -> SafeString | str:
    return since(payload.received_at)


@admin.display(description="attempts", ordering="attempts")
def tried(payload: RawPayload) -> str:
    """The attempts so far, and when the next is."""
    if payload.next_attempt_at is None or payload.state not in DUE:
        return str(payload.attempts)
    seconds = (payload.next_attempt_at - utc_now()).total_seconds()
    return unbroken(f"{payload.attempts}, next in {duration(seconds)}" if seconds > 0 else f"{payload.attempts}, due")


@admin.display(description="last error")
def reason(payload: Any) -> SafeString | str:
    """The last line of the error, with a link to its group."""
    line = last_loaded_line(payload.error_end)
    return format_html('<a href="{}">{}</a>', _group(payload), line) if payload.failure_id and line else line


@admin.display(description="fails as")
def failure(payload: RawPayload) -> SafeString | str:
    group = payload.failure
    if group is None:
        return EMPTY
    return format_html('<a href="{}">{}</a> {}', _group(payload), visible(group.title), visible(group.place))


@admin.display(description="first of its key")
def first_of_key(payload: RawPayload) -> SafeString | str:
    """A link to the payload whose key this one came under."""
    first = payload.first_of_key
    pk = RawPayload.objects.filter(receipt=first).values_list("pk", flat=True).first() if first else None
    if pk is None:
        return f"{first} (deleted since)"
    return format_html('<a href="{}">{}</a>', address(RawPayload, "change", pk), first)


def as_curl(site: str) -> Callable[[RawPayload], SafeString]:
    """A field for the command that sends it to `site`, such as https://shop.example.org."""

    @admin.display(description="as curl")
    def show(payload: RawPayload) -> SafeString:
        download = address(RawPayload, "body", payload.pk)
        return bodies.render("curl.html", command=curl(payload, site), download=download, site=site)

    show.__name__ = "as_curl"
    return show


def _group(payload: RawPayload) -> str:
    return address(FailureGroup, "change", payload.failure_id)


@admin.display(description="attempts")
def attempts(payload: RawPayload) -> str:
    rules = conf.sources.get(payload.source) or Source(name=payload.source)
    return f"{payload.attempts} of {rules.max_attempts}"


@admin.display(description="last error")
def error(payload: RawPayload) -> SafeString | str:
    return pre(graphemes.last(payload.error, LONGEST_ERROR))


@admin.display(description="headers")
def headers(payload: RawPayload) -> SafeString | str:
    pairs = [(visible(name), visible(str(value))) for name, value in sorted(payload.headers.items())]
    return bodies.render("pairs.html", pairs=pairs, caption="Header") if pairs else EMPTY


@admin.display(description="body")
def body(payload: RawPayload) -> SafeString:
    return bodies.page_of(payload)


@admin.display(description="body")
def no_body(payload: RawPayload) -> str:
    return "You may not see bodies. This needs the permission “Can see the bodies of raw payloads”."


def fieldsets(*, with_body: bool, beside: bool, site: str) -> list[tuple[str | None, dict[str, Any]]]:
    """The page's fields, in the order of the questions that people have.

    `beside`: the payload came with other bytes under a used key. `site`: where the command as curl sends it.
    """
    shown = body if with_body else no_body
    command = [as_curl(site)] if with_body else []
    return [
        (None, {"fields": [receipt, text("source"), state, moment("received_at")]}),
        (
            "Handling",
            {"fields": [attempts, *map(moment, HANDLING), failure, error, *([first_of_key] if beside else [])]},
        ),
        ("Body", {"fields": [size, text("content_type"), text("digest"), shown]}),
        (
            "Request",
            {
                "fields": [
                    *map(text, ("method", "path", "query")),
                    text("remote_addr", "client address"),
                    text("idempotency_key"),
                    headers,
                    *command,
                ]
            },
        ),
    ]
