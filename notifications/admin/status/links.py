"""Addresses of the engine's lists in one admin site, for one user: "" of those that the user may not see.

Who may not enter the site sees none, whatever permissions there are: a project's own page may have the tiles.
"""

from functools import cached_property
from typing import Final
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.admin import site as default_site
from django.contrib.admin.sites import all_sites
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from notifications.admin.lists.names import url_name
from notifications.events.admin_links import admin_path
from notifications.models import FailedDelivery, FailureGroup, Loss, Machine, Position, RawPayload, Refusal, Status

LISTED: Final = (RawPayload, FailureGroup, FailedDelivery, Position, Loss, Refusal, Machine)


class Links:
    """The site is the one that the request came to; elsewhere it is Django's own."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._site = _site_of(request)
        self._paths: dict[type[Model], str] = {}

    def to(self, model: type[Model], **query: str) -> str:
        """The list of a model with these parameters."""
        if model not in self._paths:
            self._paths[model] = self._path(model)
        path = self._paths[model]
        return f"{path}?{urlencode(query)}" if path and query else path

    def status(self, **query: str) -> str:
        """The status page."""
        return self.to(Status, **query)

    def may_see(self, model: type[Model]) -> bool:
        """Whether there is a list of it for this user."""
        return bool(self.to(model))

    def of_problem(self, path: str) -> str:
        """That of the verdict is of Django's own site, and knows no user."""
        start, mark, query = path.partition("?")
        model = self._models.get(start)
        found = self.to(model) if model else ""
        return f"{found}{mark}{query}" if found else ""

    @cached_property
    def _models(self) -> dict[str, type[Model]]:
        """By the path of their list in Django's own site, where it has one."""
        paths = ((admin_path(model), model) for model in LISTED)
        return {path: model for path, model in paths if path}

    def _path(self, model: type[Model]) -> str:
        if not (self._site.is_registered(model) and self._site.has_permission(self._request)):
            return ""
        if not self._site.get_model_admin(model).has_view_or_change_permission(self._request):
            return ""
        try:
            return reverse(f"admin:{url_name(model, 'changelist')}", current_app=self._site.name)
        except NoReverseMatch:
            return ""


def _site_of(request: HttpRequest) -> AdminSite:
    name = getattr(request, "current_app", None)
    sites: list[AdminSite] = list(all_sites)
    return next((site for site in sites if site.name == name), default_site)
