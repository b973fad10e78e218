"""Raw payloads: a list that loads no bodies, and a page for each; bodies need a permission of their own."""

import json
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.db.models.functions import Right
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe

from notifications.admin.lists.cells import LOADED, text
from notifications.admin.lists.filters import chosen_in
from notifications.admin.lists.keyset import Listing
from notifications.admin.lists.keyset_list import LONGEST_TERM, KeysetChangeList, KeysetReadOnly
from notifications.admin.lists.names import may, url_name
from notifications.admin.payloads import bodies, page
from notifications.admin.payloads.actions import PayloadActions
from notifications.admin.payloads.curl import site_of
from notifications.admin.payloads.filters import (
    FailureFilter,
    PayloadSourceFilter,
    ReceivedFilter,
    StateFilter,
    UntilFilter,
)
from notifications.admin.payloads.life import life_of
from notifications.admin.payloads.search import by_key
from notifications.admin.payloads.selection import Selection
from notifications.models import RawPayload

#: Columns of the list: nothing that may be large.
LISTED: Final = (
    "receipt",
    "source",
    "state",
    "size",
    "received_at",
    "next_attempt_at",
    "done_at",
    "attempts",
    "failure_id",
)


class PayloadList(KeysetChangeList):
    """Newest first, unless the index used has another order."""

    age_column = "received_at"
    #: The search was for a receipt or a key: it found these, and searched no texts.
    found_by_key = False

    def lay_out(self, rows: QuerySet[Any]) -> Listing:
        found = by_key(self.term) if self.term else []
        self.found_by_key = bool(found)
        rows = rows.filter(pk__in=found) if found else rows
        return Selection(**chosen_in(self.filter_specs), found=bool(found)).of(rows, self.laid_out)

    @property
    def texts(self) -> list[Q]:
        """Headers are stored as JSON."""
        if self.found_by_key or not (texts := super().texts):
            return []
        escaped = json.dumps(self.term, ensure_ascii=False)[1:-1]
        return [texts[0] | Q(headers_json__icontains=escaped)] if len(self.term) <= LONGEST_TERM else texts


@admin.register(RawPayload)
class RawPayloadAdmin(PayloadActions, KeysetReadOnly):
    """The permission change_rawpayload is for the actions, view_body for the bodies."""

    change_form_template = "notifications/admin/payload.html"
    none_yet = "None yet: what is posted to /in/<source>/, or kept by keep(), comes here."
    list_display = (
        page.short_receipt,
        text("source"),
        page.state,
        page.age,
        page.reason,
        page.tried,
        page.size,
    )
    list_filter = (StateFilter, PayloadSourceFilter, FailureFilter, ReceivedFilter, UntilFilter)
    sortable_by = (page.age, page.tried, page.size)
    search_fields = ("path", "error")
    search_help_text = (
        "A receipt (its first 8 characters will do) or a whole idempotency key; else a part of the path, of an error,"
        " or of a header such as the request id"
    )

    def get_urls(self) -> list[URLPattern]:
        download = self.admin_site.admin_view(self.download)
        return [path("<int:pk>/body/", download, name=url_name(RawPayload, "body")), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RawPayload]:
        return super().get_queryset(request).defer("inline_body")

    def list_queryset(self, queryset: QuerySet[RawPayload]) -> QuerySet[RawPayload]:
        return queryset.only(*LISTED).annotate(error_end=Right("error", LOADED))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PayloadList]:
        return PayloadList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        # ?body__startswith=… would reveal the body to users who may not see it, and read the whole table.
        return lookup in {each.parameter_name for each in self.list_filter}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        beside = obj is not None and obj.first_of_key is not None
        return page.fieldsets(with_body=self.may_see_bodies(request), beside=beside, site=site_of(request))

    def page_context(self, request: HttpRequest, row: RawPayload) -> dict[str, Any]:
        title = f"Payload {row.receipt}"
        life = life_of(row, patiently=request.GET.get("events") == "all")
        return {"title": title, "may": self.has_process_permission(request), "life": life}

    def may_see_bodies(self, request: HttpRequest) -> bool:
        may_view = self.has_view_permission(request)
        return may_view and may(request, RawPayload, "view_body")

    @method_decorator(require_safe)
    def download(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The body as it came, as a file."""
        if not self.may_see_bodies(request):
            raise PermissionDenied
        payload = self.get_queryset(request).filter(pk=pk).only("receipt", "size", "digest", "stored_as").first()
        if payload is None:
            raise Http404
        return bodies.download_of(payload)
