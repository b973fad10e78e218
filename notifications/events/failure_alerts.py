"""Alerts about failure groups: new, failing again, the first dead payload, resolved. Each links to its group.

Without the error's message: that may quote a body, and the journal is for operators.
"""

from datetime import datetime
from typing import Any, Final

from django.apps import apps

from notifications.conf import conf
from notifications.events.admin_links import admin_path, with_link
from notifications.events.emit import emit
from notifications.signals import failure_group_changed
from notifications.utils import graphemes
from notifications.utils.clean_text import one_line
from notifications.utils.durations import duration
from notifications.utils.times import utc_now

#: Characters of a name or an exception's type.
LONGEST: Final = 100
FIRST_DEAD: Final = "its first payload is dead"


def new_failure(source: str, what: str, group: int, *, is_dead: bool) -> None:
    """A source fails in a way that was not seen for a day, or ever. `what`: exception, place. `is_dead`: for good."""
    ending = f"; {FIRST_DEAD}" if is_dead else ""
    _emit(f"{source} fails in a new way: {what}{ending}", "new failure", source, group)


def failure_again(
    source: str, what: str, group: int, *, resolved_at: datetime | None, resolved_by: str, is_dead: bool
) -> None:
    """What somebody had resolved fails again."""
    ago = f" {duration((utc_now() - resolved_at).total_seconds())} ago" if resolved_at else ""
    ending = f"; {FIRST_DEAD}" if is_dead else ""
    text = f"{source} fails again: {what}; resolved{ago} by {_name(resolved_by)}{ending}"
    _emit(text, "failure again", source, group)


def first_dead(source: str, what: str, group: int) -> None:
    """The first payload of a group is not tried any more."""
    _emit(f"{source}: {FIRST_DEAD}: {what}", "first dead payload", source, group)


def _resolved(*, pk: int, source: str, title: str, state: str, by: str, **_: Any) -> None:
    """A receiver of `failure_group_changed`: the others hear that it is mended."""
    if state == "resolved":
        what = one_line(title.partition(":")[0])[:LONGEST]
        _emit(f"{source}: {what} is resolved, by {_name(by)}", "failure resolved", source, pk)


def _name(by: str) -> str:
    return graphemes.first(one_line(by), LONGEST) or "nobody"


def _emit(text: str, kind: str, source: str, group: int) -> None:
    ours = apps.get_containing_app_config(__name__)
    path = admin_path(ours.get_model("FailureGroup"), group) if ours else ""
    emit(conf.alert_channel, with_link(text, path), kind=kind, source=source, group=group, alert=True)


failure_group_changed.connect(_resolved, dispatch_uid="notifications.events.failure_alerts")
