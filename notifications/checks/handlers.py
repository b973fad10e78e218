"""System checks of handlers: those that cannot be loaded, are missing, or are never called.

Only these checks load handlers. They block the database meanwhile: it may not exist yet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final, cast

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.db import connections
from django.utils.module_loading import module_has_submodule

from notifications.handlers import event_handlers, name_of, payload_handlers
from notifications.utils.clean_text import one_line
from notifications.utils.failure_fingerprint import Failure

MODULE: Final = "handlers"


class DatabaseUsed(Exception):
    """A module used the database while it was imported."""


def check_handlers(**_: Any) -> list[CheckMessage]:
    """The handlers modules can be imported, and handlers, sources and channels match."""
    return load_handlers() or [*_sources(), *_events()]  # a module that fails to load hides its handlers


def load_handlers() -> list[CheckMessage]:
    """Load them as the workers do; returns what is wrong with modules that cannot be loaded."""
    return [message for app in apps.get_app_configs() if (message := _load(app)) is not None]


def _load(app: AppConfig) -> CheckMessage | None:
    if not module_has_submodule(cast(ModuleType, app.module), MODULE):
        return None
    name = f"{app.name}.{MODULE}"
    try:
        with _no_database():
            import_module(name)
    except DatabaseUsed as error:
        hint = "Move the query into the handler: there may be no tables yet, and the result becomes stale."
        text = f"{name} uses the database while it is imported ({_place(error)})."
        return checks.Warning(text, hint=hint, id="notifications.W005")
    except Exception as error:  # noqa: BLE001  an import may raise anything
        hint = "Fix that line, or install what it needs: the workers do not start without it."
        text = one_line(f"{name} cannot be imported: {Failure.of(error).title} ({_place(error)}).")
        return Error(text, hint=hint, id="notifications.E015")
    return None


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    return Failure.of(error).place


@contextmanager
def _no_database() -> Iterator[None]:
    """In the block each use of a database by this thread raises DatabaseUsed."""

    def refuse() -> None:
        raise DatabaseUsed

    all_of_this_thread = connections.all()
    for connection in all_of_this_thread:
        vars(connection)["ensure_connection"] = refuse
    try:
        yield
    finally:
        for connection in all_of_this_thread:
            del vars(connection)["ensure_connection"]


def _sources() -> Iterator[CheckMessage]:
    sources = getattr(settings, "NOTIFICATIONS_SOURCES", {})
    if not isinstance(sources, dict):  # settings.py reports that
        return
    for source in sources:
        if source not in payload_handlers:
            hint = f'Write one in the handlers.py of an app in INSTALLED_APPS: @on_payload("{source}").'
            text = f"Source {source!r} has no handler: its payloads are kept, and become dead."
            yield checks.Warning(text, hint=hint, id="notifications.W006")
    for source, handler in payload_handlers.items():
        if source not in sources:
            hint = f'Add it to NOTIFICATIONS_SOURCES: "{source}": {{}}; or remove the handler.'
            text = f"{name_of(handler.function)} handles {source!r}, which is not a source: it is never called."
            yield checks.Warning(text, hint=hint, id="notifications.W009")


def _events() -> Iterator[CheckMessage]:
    for name, function in event_handlers.items():
        if name in getattr(settings, "NOTIFICATIONS_CHANNELS", {}):
            hint = f"Rename one of them, or remove {name!r} from NOTIFICATIONS_CHANNELS."
            text = f"{name_of(function)} is never called: {name!r} is a channel of the settings."
            yield checks.Warning(text, hint=hint, id="notifications.W010")


CHECKS: Final = (check_handlers,)
