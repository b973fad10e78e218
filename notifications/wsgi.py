"""Django's WSGI application with two changes, which must take effect before the first middleware.

An invalid Content-Type header is no error. A transaction that an earlier request left open is rolled back: in it this
request would store and acknowledge a body that is never committed.
"""

import logging
from collections.abc import Mapping
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters

from notifications.conf import STATE_NAMES, conf
from notifications.database.transactions import close_open
from notifications.utils.folder_rights import refused_in

logger = logging.getLogger(__name__)


class Request(WSGIRequest):
    """`content_type` is "" if the header is invalid; META["CONTENT_TYPE"] stays as sent.

    The header's charset is ignored, since URLs and forms are UTF-8. Django would decode the query string by it, and
    fail on `charset=rot13`.
    """

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (ValueError, LookupError):
            self.content_type, self.content_params = "", {}


class Handler(WSGIHandler):
    request_class = Request

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if problem := close_open("An earlier request"):
            logger.error("%s", problem)
        return super().__call__(environ, start_response)


def get_wsgi_application() -> Handler:
    """Replaces the function of this name in django.core.wsgi. Logs what this user may not use of the state folder."""
    django.setup(set_prefix=False)
    for refused in refused_in(conf.state_dir, STATE_NAMES):
        logger.error("NOTIFICATIONS_STATE_DIR: %s", refused)
    return Handler()
