"""The page of one failure group: its state, when and where it fails, its payloads."""

from typing import Any, Final

from django.contrib import admin
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifications.admin.failures.actions import payloads_of
from notifications.admin.failures.sparkline import WEEK, counts_of, sparkline
from notifications.admin.lists.body_view import visible
from notifications.admin.lists.cells import pre, since, text, when
from notifications.admin.lists.confirm import MOST
from notifications.admin.lists.keyset import Count
from notifications.admin.lists.names import address
from notifications.conf import conf
from notifications.http.source_rules import ADDRESS
from notifications.models import FailureGroup, RawPayload
from notifications.utils import graphemes
from notifications.utils.times import utc_now

#: Payloads that the page of a group shows.
SHOWN: Final = 10
#: Characters of the error of a payload, where the group has no traceback: an older release wrote none.
LONGEST_ERROR: Final = 64 * 1024


def payload_list(group: FailureGroup) -> str:
    """The address of the list of its payloads."""
    return f"{address(RawPayload, 'changelist')}?failure={group.pk}"


def count(group: FailureGroup) -> Count:
    """How many payloads fail this way now, by state."""
    return payloads_of(group).count("state", MOST)


def state_label(group: FailureGroup) -> SafeString:
    """The state in a word, coloured."""
    return format_html('<span class="state group-{}">{}</span>', group.state, group.state)


@admin.display(description="state")
def state(group: FailureGroup) -> SafeString:
    return format_html("{} {}", state_label(group), _since_when(group))


def _since_when(group: FailureGroup) -> str:
    """Since when it has its state, and who set it."""
    by = f" by {visible(group.state_by)}" if group.state_by else ""
    if group.state == FailureGroup.State.MUTED and group.muted_until:
        is_over = "" if group.muted_until > utc_now() else ", which is over: its next failure is reported"
        return f"until {when(group.muted_until)}{by}{is_over}"
    if group.state == FailureGroup.State.OPEN and group.reopened_at and group.reopened_at == group.state_at:
        return f"again since {when(group.reopened_at)}; it was resolved{_resolved(group)}"
    return f"since {when(group.state_at)}{by}" if group.state_at else ""


def _resolved(group: FailureGroup) -> str:
    at = f" {when(group.resolved_at)}" if group.resolved_at else ""
    return f"{at} by {visible(group.resolved_by)}" if group.resolved_by else at


@admin.display(description="runbook")
def runbook(group: FailureGroup) -> SafeString | str:
    """The link that the source's settings name; nothing but an address of the web is a link."""
    link = conf.source(group.source).runbook
    if not isinstance(link, str) or not ADDRESS.fullmatch(link) or not link:
        return "None: the option “runbook” of the source names a page that says what to do."
    return format_html('<a href="{}" rel="noopener noreferrer">{}</a>', link, visible(link))


def _renewed(name: str, content: str) -> SafeString:
    """What fresh.js takes from the page anew while a retry goes on."""
    return format_html('<div id="{}" data-along>{}</div>', name, content)


@admin.display(description="payloads")
def states(group: FailureGroup) -> SafeString:
    counted = count(group)
    if not counted.total:
        return _renewed("group-payloads", "None fails this way now.")
    each = ", ".join(f"{number:,} {state}" for state, number in counted.by_value.items())
    return _renewed("group-payloads", format_html('<a href="{}">{}</a> ({})', payload_list(group), counted, each))


@admin.display(description="first seen")
def first_seen(group: FailureGroup) -> str:
    return f"{when(group.first_at)}{_release(group.first_release)}"


@admin.display(description="last seen")
def last_seen(group: FailureGroup) -> str:
    return f"{when(group.last_at)}{_release(group.last_release)}"


def _release(release: str) -> str:
    return f", release {visible(release)}" if release else ""


@admin.display(description="last 7 days")
def hours(group: FailureGroup) -> SafeString:
    return sparkline(counts_of([group.pk], WEEK).get(group.pk, {}), WEEK, captioned=True)


@admin.display(description="newest payloads")
def newest(group: FailureGroup) -> SafeString:
    columns = ("receipt", "state", "received_at", "attempts", "source")
    payloads = payloads_of(group).all.order_by("-pk").only(*columns)[:SHOWN]
    rows = [(payload, since(payload.received_at), address(RawPayload, "change", payload.pk)) for payload in payloads]
    return _renewed("group-newest", render_to_string("notifications/admin/payloads.html", {"payloads": rows}))


@admin.display(description="your code")
def frames(group: FailureGroup) -> SafeString | str:
    """Frames of the project's own code, the innermost first."""
    return pre(group.frames)


@admin.display(description="last traceback")
def traceback(group: FailureGroup) -> SafeString | str:
    error = group.traceback or _newest_error(group)
    return pre(graphemes.last(error, LONGEST_ERROR))


def _newest_error(group: FailureGroup) -> str:
    return payloads_of(group).all.order_by("-pk").values_list("error", flat=True).first() or ""


@admin.display(description="in a terminal")
def replay(group: FailureGroup) -> SafeString:
    return format_html("<code>manage.py replay_raw --failure {} --dry-run</code>", group.pk)


#: In the order of the questions that people have: does it still fail, where, since when, what of it waits.
FIELDSETS: Final[Any] = [
    (None, {"fields": [state, text("source"), states, frames, runbook]}),
    ("When it fails", {"fields": [hours, first_seen, last_seen, "attempts"]}),
    ("Where it fails", {"fields": [text("place"), traceback]}),
    ("Payloads that fail so now", {"fields": [newest, replay]}),
]
