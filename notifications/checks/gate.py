"""Checks whether posts are answered at the gate, and says what keeps it shut."""

from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from notifications.conf import conf
from notifications.http.url_patterns import INTAKE, project_urls
from notifications.intake.gate.gate import shut_by


def check_gate(**_: Any) -> list[CheckMessage]:
    """With "auto" it may be shut: that is slower, and no mistake."""
    if conf.gate is False or not getattr(settings, "ROOT_URLCONF", ""):
        return []
    try:
        reasons = shut_by() if _takes_posts() else []
    except Exception:  # noqa: BLE001  of URLs or a middleware, which Django's own checks report
        return []
    if not reasons:
        return []
    hint = (
        "They are slower, and otherwise the same. docs/webhooks.md, The gate, says what opens it; NOTIFICATIONS_GATE ="
        " False leaves it shut, and says no more."
    )
    text = f"The view answers posts, not the gate: {'; '.join(reasons)}."
    if conf.gate is True:
        return [checks.Warning(f"NOTIFICATIONS_GATE is True. {text}", hint=hint, id="notifications.W060")]
    return [checks.Info(text, hint=hint, id="notifications.I060")]


def _takes_posts() -> bool:
    """Without a URL another check warns."""
    return any(source.http for source in conf.sources.values()) and any(url.view == INTAKE for url in project_urls())


CHECKS: Final = (check_gate,)
