"""Raw payloads: a list that loads no bodies, a page for each one, its body by a permission of its own."""

from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Right
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe

from notifications.admin import bodies, moves, payload_page
from notifications.admin.cells import LOADED, last_line, text
from notifications.admin.filters import SourceFilter, StateFilter, search
from notifications.admin.read_only import LeanChangeList, ReadOnly
from notifications.models import RawPayload

#: Columns of the list: nothing that may be large.
LISTED: Final = ("receipt", "source", "state", "size", "received_at", "attempts")


class PayloadList(LeanChangeList):
    """Newest first; any other order would sort the whole table."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return ["-pk"]


@admin.display(description="last error")
def reason(payload: Any) -> str:
    return last_line(payload.error_end)


@admin.register(RawPayload)
class RawPayloadAdmin(ReadOnly):
    """The permission change_rawpayload is for the actions, view_body for the bodies."""

    list_display = (
        payload_page.short_receipt,
        text("source"),
        payload_page.state,
        payload_page.size,
        payload_page.age,
        "attempts",
        reason,
    )
    list_filter = (SourceFilter, StateFilter)
    sortable_by = ()
    search_fields = ("receipt", "idempotency_key")
    search_help_text = "A whole receipt or idempotency key"
    actions = ("process_again", "give_up")

    def get_urls(self) -> list[URLPattern]:
        download = self.admin_site.admin_view(self.download)
        return [path("<int:pk>/body/", download, name="notifications_rawpayload_body"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RawPayload]:
        return super().get_queryset(request).defer("inline_body")

    def list_queryset(self, queryset: QuerySet[RawPayload]) -> QuerySet[RawPayload]:
        return queryset.only(*LISTED).annotate(error_end=Right("error", LOADED))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PayloadList]:
        return PayloadList

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip()
        return (search(queryset, term) if term else queryset), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        # ?body__startswith=… would tell the body to those who may not see it, and read the whole table for that.
        return lookup in {"source", "state"}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return payload_page.fieldsets(with_body=self.may_see_bodies(request))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_process": self.has_process_permission(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def has_process_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifications.change_rawpayload")

    def may_see_bodies(self, request: HttpRequest) -> bool:
        may_view = self.has_view_permission(request)
        return may_view and request.user.has_perm("notifications.view_body")

    @method_decorator(require_safe)
    def download(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """The body as it came, as a file."""
        if not self.may_see_bodies(request):
            raise PermissionDenied
        payload = self.get_queryset(request).filter(pk=pk).only("receipt", "size").first()
        if payload is None:
            raise Http404
        return bodies.download_of(payload)

    @admin.action(description="Process again (what was done already is done again)", permissions=["process"])
    def process_again(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> None:
        done = moves.process_again(queryset, request.user.get_username())
        self.message_user(request, f"To be processed again: {done.moved}.{_left(done, 'they are waiting already')}")

    @admin.action(description="Give up", permissions=["process"])
    def give_up(self, request: HttpRequest, queryset: QuerySet[RawPayload]) -> None:
        done = moves.give_up(queryset, request.user.get_username())
        self.message_user(request, f"Given up: {done.moved}.{_left(done, 'they are done or dead already')}")


def _left(moved: moves.Moved, why: str) -> str:
    return f" Left alone: {moved.left}, because {why} or a worker has them." if moved.left else ""
