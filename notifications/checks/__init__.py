"""System checks by subject. They are imported when checks run; a process that answers requests loads none."""

from importlib import import_module
from typing import Any, Final

from django.core.checks import CheckMessage, register

#: Each has CHECKS, and perhaps DEPLOY_CHECKS for `check --deploy`.
SUBJECTS: Final = (
    *("bodies", "databases", "gate", "handlers", "import_name", "rights"),
    *("settings", "sqlite_options", "urls", "values"),
)


@register()
def check_engine(**options: Any) -> list[CheckMessage]:
    """The engine's part of `manage.py check`."""
    return _messages("CHECKS", options)


@register(deploy=True)
def check_engine_deployed(**options: Any) -> list[CheckMessage]:
    """The engine's part of `manage.py check --deploy`."""
    return _messages("DEPLOY_CHECKS", options)


def _messages(kind: str, options: dict[str, Any]) -> list[CheckMessage]:
    modules = (import_module(f"{__name__}.{subject}") for subject in SUBJECTS)
    checks = (check for module in modules for check in getattr(module, kind, ()))
    return [message for check in checks for message in check(**options)]
