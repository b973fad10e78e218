"""Addresses of the admin's pages, for messages: a path where there is an admin, a link where SITE_URL is set."""

import logging
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.db.models import Model
from django.urls import NoReverseMatch, reverse

from notifications.conf import conf

logger = logging.getLogger(__name__)


@cache
def say_once(problem: str) -> None:
    """Once: the verdict asks every few seconds."""
    logger.exception("Addresses in the admin are unknown: %s", problem)


def admin_path(model: type[Model], pk: Any = None, **query: str) -> str:
    """The path of a row's page, or of the model's list with these parameters; "" if the project has no admin."""
    page, arguments = ("changelist", []) if pk is None else ("change", [pk])
    try:
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)
    except NoReverseMatch:
        return ""
    except Exception as error:  # noqa: BLE001  the project's URLs are broken: the message must come all the same
        say_once(f"{type(error).__name__}: {error}")
        return ""
    return path + (f"?{urlencode(query)}" if query else "")


def link(path: str) -> str:
    """The address of a path for people elsewhere; "" without a path, or without NOTIFICATIONS_SITE_URL."""
    return conf.site_url.rstrip("/") + path if path and conf.site_url else ""


def with_link(text: str, path: str) -> str:
    """The text, and the link on a line of its own if there is one."""
    return "\n".join(filter(None, [text, link(path)]))
