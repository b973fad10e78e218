"""What the log says of requests that failed."""

import logging

from notifications.clean import one_line
from notifications.patience import is_away


class ShortOutages(logging.Filter):
    """Makes one line of a request that met no database: an outage is no bug, and each request would print a page."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if record.name == "django.request" and is_away(error):
            record.msg, record.args = "%s: %s", (record.getMessage(), one_line(str(error)))
            record.exc_info = record.exc_text = None
        return True
