"""Alerts about failure groups: new, failing again, the first dead payload, resolved. Each links to its group, or list.

Without the error's message: that may quote a body, and the journal is for operators.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from django.apps import apps

from notifications.conf import conf
from notifications.events.admin_links import admin_path, with_link
from notifications.events.emit import emit
from notifications.utils import graphemes
from notifications.utils.clean_text import one_line
from notifications.utils.durations import duration
from notifications.utils.times import utc_now

#: Characters of a name or an exception's type.
LONGEST: Final = 100
FIRST_DEAD: Final = "its first payload is dead"
#: Groups that one message names.
NAMED: Final = 5
#: Ids in its data.
MOST_IDS: Final = 100


class Group(NamedTuple):
    """A failure group's primary key, source and title."""

    pk: int
    source: str
    title: str

    def __str__(self) -> str:
        """Source and exception, without its message."""
        return f"{self.source}: {one_line(self.title.partition(':')[0])[:LONGEST]}"


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


def groups_resolved(groups: Sequence[Group], by: str) -> None:
    """A person resolved these, at least one, at once: the others hear that they are mended, in one message."""
    if len(groups) == 1:
        (group,) = groups
        _emit(f"{group} is resolved, by {_name(by)}", "failure resolved", group.source, group.pk)
        return
    more = len(groups) - NAMED
    named = [*map(str, groups[:NAMED]), *([f"and {more} more"] if more > 0 else [])]
    text = f"{len(groups)} failure groups are resolved, by {_name(by)}: {'; '.join(named)}"
    emit(
        conf.alert_channel,
        with_link(text, _path(state="resolved")),
        kind="failure resolved",
        groups=[group.pk for group in groups[:MOST_IDS]],
        alert=True,
    )


def _name(by: str) -> str:
    return graphemes.first(one_line(by), LONGEST) or "nobody"


def _emit(text: str, kind: str, source: str, group: int) -> None:
    emit(conf.alert_channel, with_link(text, _path(group)), kind=kind, source=source, group=group, alert=True)


def _path(group: int | None = None, **query: str) -> str:
    """The page of a group, or their list with these parameters."""
    ours = apps.get_containing_app_config(__name__)
    return admin_path(ours.get_model("FailureGroup"), group, **query) if ours else ""
