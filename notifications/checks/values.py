"""Checks of settings that are a boolean, a number, a duration or names of units."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error

from notifications.checks.sources import is_positive, is_whole

#: systemd.unit(5). Names without a suffix match nothing.
UNIT: Final = re.compile(
    r"[A-Za-z0-9:_.\\@-]+\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)"
)
#: For each setting: is its value valid, and what to write instead.
VALUES: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "RAW_MAX_BODY_BYTES": (lambda value: is_whole(value, 1), "Write a number of bytes, such as 10485760."),
    "SPOOL_MAX_BYTES": (lambda value: is_whole(value, 0), "Write a number of bytes, such as 1073741824."),
    "MIN_FREE_BYTES": (lambda value: is_whole(value, 0), "Write a number of bytes, such as 134217728."),
    "METRICS_INTERVAL": (is_positive, "Write seconds, such as 60."),
    "RATE_LIMITS": (lambda value: isinstance(value, bool), "Write True or False."),
}


def check_values(**_: Any) -> list[CheckMessage]:
    """Each that is set, and cannot be meant."""
    return [*_values(), *_units()]


def _values() -> Iterator[CheckMessage]:
    for name, (is_right, hint) in VALUES.items():
        setting = f"NOTIFICATIONS_{name}"
        if hasattr(settings, setting) and not is_right(value := getattr(settings, setting)):
            yield Error(f"{name} is {value!r}.", hint=hint, id="notifications.E011")


def _units() -> Iterator[CheckMessage]:
    units = getattr(settings, "NOTIFICATIONS_ALERT_LOG_UNITS", ())
    wrong = [units] if isinstance(units, str) else [unit for unit in units if not UNIT.fullmatch(str(unit))]
    for unit in wrong:
        hint = "Write a list of whole names of units, such as proppy-web@1.service."
        yield Error(f"ALERT_LOG_UNITS has {unit!r}.", hint=hint, id="notifications.E017")


CHECKS: Final = (check_values,)
