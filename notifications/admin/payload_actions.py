"""What people do with payloads: one, those of a page, or all that match."""

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from notifications.admin import confirm, moves
from notifications.admin.keyset import Count, Listing
from notifications.admin.moves import Moved
from notifications.models import RawPayload, State
from notifications.raw import quarantine
from notifications.raw.replay import RATE

if TYPE_CHECKING:
    Base = admin.ModelAdmin[RawPayload]
else:
    Base = object

PROCESS: Final = "Process again"
DONE_AGAIN: Final = "are done: what their handlers did (a mail, an entry in the books) is done a second time."
WAITS: Final = "wait for their next attempt: they are handled now, and their attempts count from zero."
LEFT: Final = "are left alone: they are new, in quarantine, or a worker has them."
PACE: Final = f"They become due one by one, {RATE:g} a second: new payloads go first."


class PayloadActions(Base):
    """The actions of a list of payloads. They take the permission change_rawpayload."""

    actions = ("process_again", "give_up", "verify_again")

    def has_process_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifications.change_rawpayload")

    @admin.action(description="Process again…", permissions=["process"])
    def process_again(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> HttpResponse | None:
        if not confirm.is_confirmed(request):
            count = self._listing(request, queryset).count("state", confirm.MOST)
            return confirm.ask(request, self, verb=PROCESS, count=count, consequences=consequences(count))
        done = moves.process_again(queryset, request.user.get_username())
        self.message_user(request, f"To be processed again: {done.moved:,}.{left_text(done)}")
        return self._back(request)

    @admin.action(description="Give up", permissions=["process"])
    def give_up(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> HttpResponse | None:
        done = moves.give_up(queryset, request.user.get_username())
        self.message_user(request, f"Given up: {done.moved:,}.{left_text(done, 'done, dead or in quarantine')}")
        return self._back(request)

    @admin.action(description="Verify again (quarantined ones)", permissions=["process"])
    def verify_again(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> HttpResponse | None:
        done = quarantine.verify_all(queryset)
        bad = f" Still wrong: {done.bad:,}." if done.bad else ""
        twice = f" Left there, as their keys have come another way: {done.duplicates:,}." if done.duplicates else ""
        self.message_user(request, f"Verified, and to be processed: {done.admitted:,}.{bad}{twice}")
        return self._back(request)

    def _listing(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> Listing:
        """Of what was chosen; where that is all that match, as the list finds them."""
        if request.POST.get("select_across") != "1":
            return Listing(queryset)
        changelist: Any = self.get_changelist_instance(request)
        listing: Listing = changelist.listing
        return listing

    def _back(self, request: HttpRequest) -> HttpResponse | None:
        """To the page of the one payload where the action was chosen there; None is the list."""
        page = request.POST.get("from_page", "")
        if not page.isdecimal():
            return None
        return HttpResponseRedirect(reverse("admin:notifications_rawpayload_change", args=[page]))


def consequences(count: Count) -> list[str]:
    """What "Process again" does to them, by their states."""
    moved = (State.DONE, State.DEAD, State.RETRYING)
    left = sum(number for state, number in count.by_value.items() if state not in moved)
    numbers = {
        DONE_AGAIN: count.by_value.get(State.DONE, 0),
        WAITS: count.by_value.get(State.RETRYING, 0),
        LEFT: left,
    }
    text = [f"{number:,}{'+' * count.more} of them {what}" for what, number in numbers.items() if number]
    return [*text, PACE]


def left_text(moved: Moved, why: str = "new or in quarantine") -> str:
    """What became of the others."""
    return f" Left alone: {moved.left:,}, because they are {why}, or a worker has them." if moved.left else ""
