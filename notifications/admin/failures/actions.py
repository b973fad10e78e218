"""Actions on failure groups: retry or give up all payloads of a group, however many."""

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from notifications.admin.failures.retries import RETRIED, note_of
from notifications.admin.lists import confirm
from notifications.admin.lists.body_view import visible
from notifications.admin.lists.keyset import Count, Listing
from notifications.admin.lists.names import back_to_row, may
from notifications.admin.payloads import moves
from notifications.admin.payloads.actions import PACE, left_text
from notifications.admin.payloads.moves import Moved
from notifications.admin.payloads.selection import Selection
from notifications.database.transactions import atomic
from notifications.models import FailureGroup, OperatorAction, RawPayload

#: Groups that the question names.
NAMED: Final = 5
RESOLVES: Final = (
    "“Retry and resolve” says that it is mended: if one fails again, its group is open again, and reported."
)

if TYPE_CHECKING:
    Base = admin.ModelAdmin[FailureGroup]
else:
    Base = object


def payloads_of(group: FailureGroup) -> Listing:
    """The payloads that fail this way now, newest first."""
    return Selection(failure=group.pk).of(RawPayload.objects.all())


class FailureActions(Base):
    """The actions of a list of groups. They need the permission change_rawpayload."""

    actions: Any = ("retry", "give_up")

    def has_process_permission(self, request: HttpRequest) -> bool:
        return may(request, RawPayload, "change_rawpayload")

    @admin.action(description="Retry their payloads…", permissions=["process"])
    def retry(self, request: HttpRequest, queryset: "QuerySet[FailureGroup]") -> HttpResponse | None:
        if not confirm.is_confirmed(request):
            text = ["Their attempts count from zero. They stay in this group until an attempt succeeds.", PACE]
            return self._ask(request, queryset, verb="Retry", consequences=[*text, RESOLVES], resolves=True)
        by, groups = request.user.get_username(), list(queryset)
        if "resolve" in request.POST:  # first, so that one that fails at once opens its group again
            FailureGroup.objects.filter(pk__in=[group.pk for group in groups]).resolve(by)
        done = _sum(retry(group, payloads_of(group).all, by) for group in groups)
        self.message_user(request, f"To be processed again: {done.moved:,}.{left_text(done)}")
        return back_to_row(request)

    @admin.action(description="Give their payloads up…", permissions=["process"])
    def give_up(self, request: HttpRequest, queryset: "QuerySet[FailureGroup]") -> HttpResponse | None:
        if not confirm.is_confirmed(request):
            text = ["Waiting ones become dead, and are not retried by themselves. Nothing is deleted."]
            return self._ask(request, queryset, verb="Give up", consequences=text)
        by = request.user.get_username()
        done = _sum(_given_up(group, by) for group in queryset)
        self.message_user(request, f"Given up: {done.moved:,}.{left_text(done, 'dead already')}")
        return back_to_row(request)

    def _ask(
        self,
        request: HttpRequest,
        queryset: "QuerySet[FailureGroup]",
        *,
        verb: str,
        consequences: list[str],
        resolves: bool = False,
    ) -> HttpResponse:
        counts = [payloads_of(group).count("state", confirm.MOST) for group in queryset[: self.list_per_page + 1]]
        by_group = {str(number): count.total for number, count in enumerate(counts)}
        named = [f"{visible(group.source)}: {visible(group.title)}" for group in queryset[:NAMED]]
        more = len(counts) > self.list_per_page or any(count.more for count in counts)
        texts = [*named, *consequences]
        return confirm.ask(request, self, verb=verb, count=Count(by_group, more), consequences=texts, resolves=resolves)


def retry(group: FailureGroup, payloads: "QuerySet[RawPayload]", by: str) -> Moved:
    """Have these payloads of a group processed again. `by` is the user's name."""
    return _recorded(RETRIED, group, by, moves.process_again(payloads, by, note_of(group)))


def _given_up(group: FailureGroup, by: str) -> Moved:
    return _recorded("given up", group, by, moves.give_up(payloads_of(group).all, by))


def _recorded(what: str, group: FailureGroup, by: str, moved: Moved) -> Moved:
    """Record on a group how many of its payloads were moved."""
    with atomic():
        OperatorAction.objects.record(
            FailureGroup.objects.filter(pk=group.pk), what, by, f"{moved.moved:,} of its payloads"
        )
    return moved


def _sum(moved: Any) -> Moved:
    all_moved: list[Moved] = list(moved)
    return Moved(sum(each.moved for each in all_moved), sum(each.left for each in all_moved))
