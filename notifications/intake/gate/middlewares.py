"""Which middlewares the gate knows, and what each does to a post that is stored."""

from typing import Any, Final, NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

from notifications.intake.gate.own_middlewares import takes_part

TRUSTED_PROXIES: Final = "notifications.proxies.TrustedProxies"
REQUEST_STATS: Final = "notifications.middleware.RequestStats"
WHITENOISE: Final = "whitenoise.middleware.WhiteNoiseMiddleware"
CSP: Final = "csp.middleware.CSPMiddleware"
SECURITY: Final = "django.middleware.security.SecurityMiddleware"
LOCALE: Final = "django.middleware.locale.LocaleMiddleware"
#: They look at a post's head (rehearsal.HEAD), and may answer it or add headers: the gate rehearses with them. None
#: has an effect besides, for a post without cookies to a view that is exempt from CSRF and login.
REHEARSED: Final = frozenset(
    {
        CSP,
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "django.middleware.common.BrokenLinkEmailsMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csp.ContentSecurityPolicyMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        LOCALE,
        SECURITY,
    }
)
#: What they do for a post the gate does itself, or it is nothing.
REPLACED: Final = frozenset(
    {
        "notifications.health.StatusPages",
        "notifications.patience.PatientRequests",
        REQUEST_STATS,
        TRUSTED_PROXIES,
        WHITENOISE,
    }
)


class Found(NamedTuple):
    """The entries of MIDDLEWARE, in their order."""

    rehearsed: list[str]
    #: Classes that say themselves what they do (own_middlewares.py).
    own: list[Any]
    #: What of the others keeps the gate shut.
    reasons: list[str]


def middlewares() -> Found:
    """Those of the settings."""
    found = Found([], [], [])
    for path in settings.MIDDLEWARE:
        if path in REHEARSED:
            found.rehearsed.append(path)
        elif path == TRUSTED_PROXIES:
            if found.rehearsed or found.own:
                found.reasons.append(f"{path} is in MIDDLEWARE behind others, which see another scheme")
        elif path not in REPLACED:
            middleware = import_string(path)
            if takes_part(middleware):
                found.own.append(middleware)
            else:
                found.reasons.append(f"{path} is in MIDDLEWARE")
    return found
