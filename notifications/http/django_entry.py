"""What the WSGI and ASGI applications share."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import django
from django.http import HttpRequest
from django.utils.http import parse_header_parameters

from notifications.conf import STATE_NAMES, conf
from notifications.events import series
from notifications.utils.folder_rights import refused_in

logger = logging.getLogger(__name__)


class AnyContentType(HttpRequest):
    """`content_type` is "" if the header is invalid; META["CONTENT_TYPE"] stays as sent.

    The header's charset is ignored, since URLs and forms are UTF-8. Django would decode the query string by it, and
    fail on `charset=rot13`.
    """

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (ValueError, LookupError):
            self.content_type, self.content_params = "", {}


def set_up() -> None:
    """Set Django up, log what this user may not use of the state folder, and mark the release in the series."""
    django.setup(set_prefix=False)
    for refused in refused_in(conf.state_dir, STATE_NAMES):
        logger.error("NOTIFICATIONS_STATE_DIR: %s", refused)
    series.write_start(time.time())
