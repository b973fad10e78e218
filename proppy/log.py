"""Log filters for failed requests."""

import logging
import re
from typing import Final

from notifications.patience import is_away
from notifications.utils.clean_text import one_line

#: The path of a sign-in link: a reader of the log could use it before its owner does.
SIGN_IN_LINK: Final = re.compile(r"(/sign-in/)[^/\s]+")


class SecretLinks(logging.Filter):
    """Removes the token from Django's messages about refused requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.") and SIGN_IN_LINK.search(message := record.getMessage()):
            record.msg, record.args = SIGN_IN_LINK.sub(r"\1…", message).replace("%", "%%"), ()
        return True


#: What strangers cause at will, Django's names of it. Its tracebacks would say nothing of the site.
STRANGERS: Final = frozenset(
    f"django.security.{name}"
    for name in ("DisallowedHost", "RequestDataTooBig", "TooManyFieldsSent", "TooManyFilesSent")
)


class ShortRefusals(logging.Filter):
    """Makes one line of a request that Django refuses, such as a scan by address: no traceback, no second line."""

    def filter(self, record: logging.LogRecord) -> bool:
        meta = getattr(getattr(record, "request", None), "META", {})
        if record.name in STRANGERS:
            record.exc_info = record.exc_text = None
            meta["proppy.refused"] = True
        return not (record.name == "django.request" and "proppy.refused" in meta)


class ShortOutages(logging.Filter):
    """Shortens a request's failure to one line if the database is away: each would print a whole traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if record.name == "django.request" and is_away(error):
            record.msg, record.args = "%s: %s", (record.getMessage(), one_line(str(error)))
            record.exc_info = record.exc_text = None
        return True
