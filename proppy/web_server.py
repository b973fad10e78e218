"""gunicorn's settings: `gunicorn --config python:proppy.web_server proppy.wsgi`. docs/web-servers.md says why.

It listens on systemd's socket if there is one, else on HOST and PORT. Several servers may share a socket of systemd's:
one that is stopping accepts no more connections, and answers what it has.
"""

import os
import resource
import ssl
import sys
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from gunicorn.glogging import Logger

from notifications.log import JournalFormatter
from proppy import strict_values
from proppy.web_worker import Worker

MOST_FILES: Final = 4096
# Hidden from gunicorn's main process, which would report ready before the application is loaded.
_NOTIFY_SOCKET: Final = os.environ.pop("NOTIFY_SOCKET", "")


class Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's own log lines have a priority in the journal, too."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        stream = os.environ.get("JOURNAL_STREAM") or ""
        for handler in self.error_log.handlers:
            handler.setFormatter(JournalFormatter(self.error_fmt, self.datefmt, journal_stream=stream))


def on_starting(server: Any) -> None:
    """Exit if TLS is misconfigured, before gunicorn listens: it would answer no request."""
    certificate, key = server.cfg.certfile, server.cfg.keyfile
    if (certificate or key) and (wrong := _wrong_tls(certificate, key)):
        sys.exit(f"Wrong setting: {wrong}")


def _wrong_tls(certificate: str | None, key: str | None) -> str:
    """What is wrong with the files, and what to write; "" if nothing is."""
    if not certificate:
        return "TLS_KEY is set, but no TLS_CERTIFICATE: name the file of the certificate, too."
    for name, path in {"TLS_CERTIFICATE": certificate, "TLS_KEY": key or certificate}.items():
        try:
            with open(path, "rb") as file:
                file.read(1)
        except OSError as error:
            return f"{name} cannot be read ({error}): name a PEM file that this user may read."
    try:
        # An empty password: otherwise OpenSSL would ask the terminal for one.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password="")
    except ssl.SSLError:
        advice = "name files that belong together in TLS_CERTIFICATE and TLS_KEY, PEM, the key without a password."
        if key:
            return f"TLS_KEY {key} is not the key of TLS_CERTIFICATE {certificate}: {advice}"
        return f"TLS_CERTIFICATE {certificate} is not a certificate with its key: {advice}"
    return ""


def post_fork(server: Any, worker: Any) -> None:
    """In the worker, before it loads the application, which reports when it is ready."""
    if _NOTIFY_SOCKET:
        os.environ["NOTIFY_SOCKET"] = _NOTIFY_SOCKET


def _address() -> str:
    """Exits with advice if HOST or PORT is invalid."""
    try:
        host = strict_values.listen_host("HOST", os.environ.get("HOST") or "", default="127.0.0.1")
        port = strict_values.port("PORT", os.environ.get("PORT") or "", default=8000)
    except ImproperlyConfigured as error:
        sys.exit(f"Wrong setting: {error}")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _most_connections() -> int:
    """Half the limit of open files, which leaves room for others: a worker that reaches the limit ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MOST_FILES <= hard:
        soft = MOST_FILES
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(MOST_FILES, soft) // 2


bind = _address()
backlog = 4096
workers = 1
#: While one waits for the disk, captures of others gather for the next commit: docs/speed.md, "How many threads".
threads = 8
worker_class = Worker
#: Connections of clients that are still sending, or may send another request.
worker_connections = _most_connections()
#: Seconds without a sign of life after which the worker is killed, and started again.
timeout = 30
#: Seconds to answer the begun requests when it is stopped.
graceful_timeout = 20
#: Seconds that a connection waits for its next request.
keepalive = 5
loglevel = "warning"
logger_class = Log
#: TRUSTED_PROXIES decides which peers may name other clients and schemes (notifications.proxies), not gunicorn.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
#: No control socket: only signals control the server.
control_socket_disable = True

# If the web servers speak TLS themselves. Units edited for an older release have the other names.
certfile = os.environ.get("TLS_CERTIFICATE") or os.environ.get("GRANIAN_SSL_CERTIFICATE") or None
keyfile = os.environ.get("TLS_KEY") or os.environ.get("GRANIAN_SSL_KEYFILE") or None
