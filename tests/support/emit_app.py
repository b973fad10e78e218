"""A WSGI application whose requests emit as many events as the query string says: `?NAME=3`."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import django

django.setup()

from notifications import emit  # noqa: E402

for number in range(int(os.environ.get("EMIT_AT_IMPORT", "0"))):
    emit("OPS", f"import {number}")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers with the worker's process id."""
    name, _, count = environ["QUERY_STRING"].partition("=")
    for number in range(int(count)):
        emit("OPS", f"{name} {number}")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
