"""Which middlewares the gate knows, and what each does to a post that is stored."""

from typing import Any, Final, NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

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
    #: `at_gate(meta)` of the project's own: what they do to a post at the gate. It may change `meta`, and returns
    #: headers of the answer; None leaves the post to Django.
    own: list[Any]
    #: Entries of which nobody knows what they do to a post.
    unknown: list[str]


def middlewares() -> Found:
    """Those of the settings."""
    found = Found([], [], [])
    for path in settings.MIDDLEWARE:
        if path in REHEARSED:
            found.rehearsed.append(path)
        elif path == TRUSTED_PROXIES:
            if found.rehearsed or found.own:  # they would see another scheme
                found.unknown.append(path)
        elif path not in REPLACED:
            at_gate = getattr(import_string(path), "at_gate", None)
            (found.unknown if at_gate is None else found.own).append(path if at_gate is None else at_gate)
    return found
