"""Checks of the types of all settings, and of names that are nearly one of ours."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error

from notifications.utils.setting_rules import RULES

#: systemd.unit(5). Names without a suffix match nothing.
UNIT: Final = re.compile(
    r"[A-Za-z0-9:_.\\@-]+\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)"
)
#: These have a check of their own, which says more.
ELSEWHERE: Final = frozenset(
    {"ALERT_LOG_UNITS", "BODY_STORAGE", "CHANNELS", "JOURNAL_URL", "METRICS_URL"}
    | {"SOURCES", "TEXT_JOURNAL_URL", "TRUSTED_PROXIES"}
)
SECRET: Final = frozenset({"HEARTBEAT_URL", "HTTPS_PROXY", "STATUS_TOKEN"})
PREFIX: Final = "NOTIFICATIONS_"
#: How much of a name must be right, from 0 to 1.
NEAR: Final = 0.85


def check_values(**_: Any) -> list[CheckMessage]:
    """Each that is set, and cannot be meant."""
    return [*_values(), *_units(), *_unknown()]


def _values() -> Iterator[CheckMessage]:
    for name in RULES.keys() - ELSEWHERE:
        is_right, hint = RULES[name]
        if hasattr(settings, PREFIX + name) and not is_right(value := getattr(settings, PREFIX + name)):
            what = f"of type {type(value).__name__}" if name in SECRET else repr(value)
            yield Error(f"{PREFIX}{name} is {what}.", hint=hint, id="notifications.E011")


def _units() -> Iterator[CheckMessage]:
    units = getattr(settings, "NOTIFICATIONS_ALERT_LOG_UNITS", ())
    are_many = isinstance(units, list | tuple | set | frozenset)
    wrong = [unit for unit in units if not UNIT.fullmatch(str(unit))] if are_many else [units]
    for unit in wrong:
        hint = "Write a list of whole names of units, such as myshop-web.service."
        yield Error(f"NOTIFICATIONS_ALERT_LOG_UNITS has {unit!r}.", hint=hint, id="notifications.E017")


def _unknown() -> Iterator[CheckMessage]:
    known = [PREFIX + name for name in RULES]
    for name in dir(settings):
        if name.startswith("NOTIF") and name not in known and (near := get_close_matches(name, known, 1, NEAR)):
            hint = f"Write {near[0]}, if that is what you mean."
            yield checks.Warning(
                f"{name} is no setting of the engine: it is ignored.", hint=hint, id="notifications.W055"
            )


CHECKS: Final = (check_values,)
