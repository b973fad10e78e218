"""How the site sends mail."""

from django.conf import settings


def is_printed() -> bool:
    """Whether mails are printed, to the terminal or a service's log, since no mail server is set."""
    return bool(settings.EMAIL_BACKEND == "django.core.mail.backends.console.EmailBackend")
