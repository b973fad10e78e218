"""Sends visitors of port 80 to HTTPS, for sites without nginx: gunicorn's settings, and the application.

Run by proppy-redirect.service, which needs neither the site's settings nor its database.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any, Final

from django.http.request import split_domain_port, validate_host

from proppy.slow_clients import SlowClients

#: As the site has them, or this would send visitors wherever they say.
HOSTS: Final = [name.strip().lower() for name in os.environ.get("ALLOWED_HOSTS", "").split(",") if name.strip()]


class Worker(SlowClients):
    """Visitors post nothing here."""

    longest_body = 64 * 1024


workers = 1
threads = 4
worker_class = Worker
worker_connections = 1000
timeout = 30
graceful_timeout = 5
loglevel = "warning"
#: No control socket: only signals control the server.
control_socket_disable = True


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """The same address at https://, of one of the site's hosts; else 404."""
    host, _ = split_domain_port(environ.get("HTTP_HOST", ""))
    path = environ.get("RAW_URI", "/")
    headers = [("Content-Length", "0"), ("Cache-Control", "no-store"), ("Connection", "close")]
    if not host or not validate_host(host, HOSTS) or not path.startswith("/"):
        start_response("404 Not Found", headers)
    else:
        start_response("301 Moved Permanently", [*headers, ("Location", f"https://{host}{path}")])
    return [b""]
