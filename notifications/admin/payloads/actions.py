"""Actions on payloads: on one, on those of a page, or on all that match."""

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from notifications.admin.lists import confirm
from notifications.admin.lists.keyset import Count, Listing
from notifications.admin.lists.names import back_to_row, may
from notifications.admin.payloads import moves
from notifications.admin.payloads.moves import Moved
from notifications.models import RawPayload, State
from notifications.models.states import REPLAYABLE
from notifications.operations import quarantine
from notifications.operations.quarantine import Verdict
from notifications.operations.replay import RATE

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
    """The actions of a list of payloads. They need the permission change_rawpayload."""

    actions = ("process_again", "give_up", "verify_again", "handle_too")

    def has_process_permission(self, request: HttpRequest) -> bool:
        return may(request, RawPayload, "change_rawpayload")

    @admin.action(description="Process again…", permissions=["process"])
    def process_again(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> HttpResponse | None:
        if not confirm.is_confirmed(request):
            count = self._listing(request, queryset).count("state", confirm.MOST)
            return confirm.ask(request, self, verb=PROCESS, count=count, consequences=consequences(count))
        done = moves.process_again(queryset, request.user.get_username())
        self.message_user(request, f"To be processed again: {done.moved:,}.{left_text(done)}")
        return back_to_row(request)

    @admin.action(description="Give up", permissions=["process"])
    def give_up(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> HttpResponse | None:
        done = moves.give_up(queryset, request.user.get_username())
        self.message_user(request, f"Given up: {done.moved:,}.{left_text(done, 'done, dead or in quarantine')}")
        return back_to_row(request)

    @admin.action(description="Verify again (quarantined ones)", permissions=["process"])
    def verify_again(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> HttpResponse | None:
        found = quarantine.verify_all(queryset, request.user.get_username())
        bad, twice = found[Verdict.BAD], found[Verdict.DUPLICATE]
        still_bad = f" Still wrong: {bad:,}." if bad else ""
        left = f" Left, as their keys have come another way: {twice:,}." if twice else ""
        self.message_user(request, f"Verified, and to be processed: {found[Verdict.ADMITTED]:,}.{still_bad}{left}")
        return back_to_row(request)

    @admin.action(description="Handle too (other bytes under a used key)", permissions=["process"])
    def handle_too(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> HttpResponse | None:
        done = quarantine.handle_all_too(queryset, request.user.get_username())
        self.message_user(request, f"To be processed: {done:,}. Only other bytes under a used key are handled.")
        return back_to_row(request)

    def _listing(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> Listing:
        """The selected payloads; if those are all that match, as the list finds them."""
        if request.POST.get("select_across") != "1":
            return Listing(queryset)
        changelist: Any = self.get_changelist_instance(request)
        listing: Listing = changelist.listing
        return listing


def consequences(count: Count) -> list[str]:
    """What "Process again" does to the payloads, by state."""
    left = sum(number for state, number in count.by_value.items() if state not in REPLAYABLE)
    numbers = {
        DONE_AGAIN: count.by_value.get(State.DONE, 0),
        WAITS: count.by_value.get(State.RETRYING, 0),
        LEFT: left,
    }
    text = [f"{number:,}{'+' * count.more} of them {what}" for what, number in numbers.items() if number]
    return [*text, PACE]


def left_text(moved: Moved, why: str = "new or in quarantine") -> str:
    """Why the others were left alone."""
    return f" Left alone: {moved.left:,}, because they are {why}, or a worker has them." if moved.left else ""
