"""Addresses and permissions have the engine's label in their names. A project may have chosen that."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
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
