"""What the log says of requests that failed."""

import logging
import re
from typing import Final

from notifications.clean import one_line
from notifications.patience import is_away

#: The path of a link that signs in: whoever reads the log could use it before its owner does.
SIGN_IN_LINK: Final = re.compile(r"(/sign-in/)[^/\s]+")


class SecretLinks(logging.Filter):
    """Takes the token out of what Django says of a refused request."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.") and SIGN_IN_LINK.search(message := record.getMessage()):
            record.msg, record.args = SIGN_IN_LINK.sub(r"\1…", message).replace("%", "%%"), ()
        return True


class ShortOutages(logging.Filter):
    """Makes one line of a request that met no database: an outage is no bug, and each request would print a page."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if record.name == "django.request" and is_away(error):
            record.msg, record.args = "%s: %s", (record.getMessage(), one_line(str(error)))
            record.exc_info = record.exc_text = None
        return True
