"""Examines the addresses of the settings: SITE_URL, HEARTBEAT_URL, METRICS_URL."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from typing import Final

from notifications.conf import conf
from notifications.doctor.web import Address, connect, request
from notifications.http.statsd_server import parse_url
from notifications.utils.finding import Finding, failed, ok, warning

#: Seconds for the kernel to learn that nobody listens.
REFUSED_WITHIN: Final = 0.3
CERTIFICATE: Final = "Renew or mend its certificate; if its authority is your own, install that on this machine."
REACH: Final = "Is its address right, does it run, and does a firewall or proxy let this machine through?"


def site_url() -> Iterator[Finding]:
    """People follow links to it."""
    if not conf.site_url:
        yield ok("not set: alerts have no links")
        return
    address = Address.of(conf.site_url)
    try:
        with closing(request("GET", address, "/")) as answer:
            status = answer.status
    except (OSError, HTTPException, ValueError) as error:
        yield unreached(conf.site_url, error)
        return
    if status >= 500:
        yield warning(f"{conf.site_url} answers {status}", "See the log of the web server.")
    else:
        yield ok(f"{conf.site_url} answers {status}")


def heartbeat_url() -> Iterator[Finding]:
    """Only connected to: a request would tell its service that all is well."""
    if not conf.heartbeat_url:
        yield ok("not set: nobody elsewhere is alarmed if this machine is silent")
        return
    address = Address.of(conf.heartbeat_url)
    try:
        connect(address).close()
    except (OSError, HTTPException, ValueError) as error:
        yield unreached(str(address), error)
    else:
        yield ok(f"{address} was connected to; no request was made, which would be a heartbeat")


def statsd() -> Iterator[Finding]:
    """UDP: only a machine that has no such server says so."""
    if not conf.metrics_url:
        yield ok("not set")
        return
    try:
        host, port, _ = parse_url(conf.metrics_url)
        refused = _is_refused(host, port)
    except (OSError, ValueError) as error:
        yield unreached(conf.metrics_url, error)
        return
    if refused:
        yield failed(
            f"nobody listens at {host}:{port} (UDP)", "Start the StatsD server, or mend NOTIFICATIONS_METRICS_URL."
        )
    else:
        yield ok(f"{host}:{port}: an empty datagram was sent, and not refused")


def _is_refused(host: str, port: int) -> bool:
    """Raises OSError."""
    (family, kind, protocol, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    with socket.socket(family, kind, protocol) as sock:
        sock.settimeout(REFUSED_WITHIN)
        sock.connect(address)
        sock.send(b"")
        try:
            sock.recv(1)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
    return False


def unreached(what: str, error: Exception) -> Finding:
    """A neighbour that cannot be connected to."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return failed(f"{what}: its certificate is refused: {error.verify_message}", CERTIFICATE)
    if isinstance(error, socket.gaierror):
        return failed(f"{what}: no name server knows it ({error.strerror})", "Mend the name, or /etc/resolv.conf.")
    return failed(f"{what} cannot be reached: {error}", REACH)
