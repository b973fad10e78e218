"""Keeps the engine's tables in its one database, whatever the project's routers say."""

from functools import cache
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.db import router

from notifications.conf import conf

PATH: Final = f"{__name__}.EngineRouter"


class EngineRouter:
    """A database router of Django's. It has no opinion on tables of others."""

    def db_for_read(self, model: Any, **_: Any) -> str | None:
        return conf.database if model._meta.app_label == _label() else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return db == conf.database if app_label == _label() else None


def install_router() -> None:
    """Put it in front of the project's, if there are several databases."""
    if len(settings.DATABASES) > 1 and PATH not in settings.DATABASE_ROUTERS:
        settings.DATABASE_ROUTERS = [PATH, *settings.DATABASE_ROUTERS]
        vars(router).pop("routers", None)  # Django keeps them once they were used


@cache
def _label() -> str:
    return next(app.label for app in apps.get_app_configs() if app.name == "notifications")


def _install_again(*, setting: str, **_: Any) -> None:
    if setting == "DATABASE_ROUTERS":  # a test has changed it
        install_router()


setting_changed.connect(_install_again, dispatch_uid="notifications.database.router")
