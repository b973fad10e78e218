"""Django's WSGI application, except that no Content-Type header is an error before the first middleware runs."""

from collections.abc import Mapping
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters


class Request(WSGIRequest):
    """`content_type` is "" where the header cannot be parsed; META["CONTENT_TYPE"] stays as it was sent.

    The header's charset is left aside, since URLs and forms are UTF-8: Django would decode the query string by it, and
    fail with `charset=rot13`.
    """

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (ValueError, LookupError):
            self.content_type, self.content_params = "", {}


class Handler(WSGIHandler):
    request_class = Request


def get_wsgi_application() -> Handler:
    """For wsgi.py, in place of the function of this name in django.core.wsgi."""
    django.setup(set_prefix=False)
    return Handler()
