"""Where the site's mails go."""

from django.conf import settings


def is_printed() -> bool:
    """Whether there is no mail server: then they are printed, into the terminal or the log of a service."""
    return bool(settings.EMAIL_BACKEND == "django.core.mail.backends.console.EmailBackend")
