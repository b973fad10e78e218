"""The base of all lists: read-only, and never slow on a big table."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from notifications.admin.lists.cells import EMPTY
from notifications.admin.lists.filter_chips import Chips, chips_of
from notifications.admin.lists.keyset import Page
from notifications.admin.lists.pages import NextPagePaginator, page_number


class LeanChangeList(ChangeList):
    """A list that loads only what it shows."""

    page: Page | None = None

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        queryset = super().get_queryset(request, exclude_parameters)
        return self.model_admin.list_queryset(queryset)  # type: ignore[attr-defined, no-any-return]  # of ReadOnly

    def get_results(self, request: HttpRequest) -> None:
        """Without its actions where there is nothing to choose."""
        super().get_results(request)
        self.show_admin_actions = request.method != "GET" or bool(self.result_list)

    @property
    def chips(self) -> list[Chips]:
        """The filters, as they are shown."""
        return chips_of(self)


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's is generic in its stubs only
    """Rows that the engine writes and people only read."""

    # Named here: Django would look for them by the app's label, which a project may choose.
    change_form_template = "notifications/admin/change_form.html"
    change_list_template = "notifications/admin/change_list.html"
    #: What an empty list says: what comes here, or what to do first.
    none_yet = "None yet."
    list_per_page = 50  # a phone and a browser draw them at once
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    empty_value_display = EMPTY
    fields: ClassVar[Any] = None  # functions too, unlike in the stubs

    class Media:
        css = {"all": ("notifications/admin.css",)}
        js = tuple(forms.Script(f"notifications/{name}.js", defer=True) for name in ("copy", "fresh"))

    def above_list(self, request: HttpRequest) -> dict[str, Any]:
        """What the list's template needs besides its rows."""
        return {}

    def list_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The list's rows, with only the columns that it needs."""
        return queryset

    def action_checkbox(self, obj: Any) -> SafeString:
        # Django's label is the object's str(), which would load deferred columns.
        attrs = {"class": "action-select", "aria-label": f"Select {obj.pk}"}
        return forms.CheckboxInput(attrs, lambda _: False).render(ACTION_CHECKBOX_NAME, str(obj.pk))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LeanChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"title": capfirst(self.opts.verbose_name_plural)}
        if self.has_view_or_change_permission(request):  # Django asks after this
            context |= self.above_list(request)
        return super().changelist_view(request, context | (extra_context or {}))

    def get_paginator(
        self, request: HttpRequest, queryset: Any, per_page: int, *_: Any, **__: Any
    ) -> NextPagePaginator:
        return NextPagePaginator(queryset, per_page, number=page_number(request))

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the template of a row's page needs besides its fields. `may`: the user may do the actions."""
        return {}

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        # The title would contain the object's str(): text of any length.
        context |= {"subtitle": None} | self.page_context(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Nobody edits a row: Django's history of it would be empty. What people did is on its page.
        return HttpResponseRedirect("../change/")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
