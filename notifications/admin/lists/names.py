"""Addresses and permissions have the engine's label in their names. A project may have chosen that."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse


def address(model: type[Model], page: str, *args: Any) -> str:
    """The path of a model's page in the admin: "changelist", "change" or one of its own."""
    return reverse(f"admin:{url_name(model, page)}", args=args)


def url_name(model: type[Model], page: str) -> str:
    """The name of that page's URL in the admin's namespace."""
    return f"{model._meta.app_label}_{model._meta.model_name}_{page}"


def may(request: HttpRequest, model: type[Model], codename: str) -> bool:
    """Whether the user has a permission of the model's app."""
    return request.user.has_perm(f"{model._meta.app_label}.{codename}")


def back_to_row(request: HttpRequest) -> HttpResponse | None:
    """To a row's page, if an action of its list was chosen there; None is the list. Of the same admin site."""
    page: Any = request.POST.get("from_page", "")
    return HttpResponseRedirect(f"{request.path}{page}/change/") if page.isdecimal() else None
