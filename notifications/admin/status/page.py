"""The status page: the verdict, tiles, charts of a period, and what became of each route."""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe

from notifications.admin.lists.names import url_name
from notifications.admin.status import parts
from notifications.admin.status.periods import DEFAULT, PERIODS, Period
from notifications.models import Status

TEMPLATES: Final = "notifications/admin/status"


@admin.register(Status)
class StatusAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's is generic in its stubs only
    """A page in place of a list. Whoever has the permission view_status may see it."""

    class Media:
        css = {"all": ("notifications/admin.css", "notifications/status.css")}
        js = (forms.Script("notifications/status.js", defer=True),)

    def get_urls(self) -> list[URLPattern]:
        """One page by two names: that of a list for Django's index, and a short one."""
        view = self.admin_site.admin_view(self.changelist_view)
        names = (url_name(Status, "changelist"), f"{self.opts.app_label}_status")
        return [path("", view, name=name) for name in names]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @method_decorator(require_safe)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The whole page; with `?part=NAME` that part of it alone, for who refreshes it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name  # as Django's admin does
        period = PERIODS.get(request.GET.get("period", ""), DEFAULT)
        part = request.GET.get("part", "")
        if part in parts.PARTS:
            context = {**parts.PARTS[part](request, period), "part": part}
            return TemplateResponse(request, f"{TEMPLATES}/part.html", context)
        return TemplateResponse(
            request, f"{TEMPLATES}/page.html", self._context(request, period) | (extra_context or {})
        )

    def _context(self, request: HttpRequest, period: Period) -> dict[str, Any]:
        context = {
            **self.admin_site.each_context(request),
            "title": "Status",
            "opts": self.opts,
            "media": self.media,
            "period": period,
            "periods": PERIODS.values(),
        }
        context |= parts.now_part(request)
        try:
            return context | parts.figures_part(request, period) | parts.routes_part(request, period)
        except Error:  # the verdict says what; users may be in another database
            return context | {"is_unread": True}
