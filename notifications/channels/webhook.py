"""Webhook: a signed HTTP POST for each event, as Standard Webhooks say (github.com/standard-webhooks)."""

import hashlib
import json
import math
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from django.utils.http import parse_http_date_safe

from notifications.addresses import is_loopback
from notifications.channels.base import Channel, Unavailable, Undeliverable
from notifications.clean import clean_values, one_line, utf8
from notifications.events import Event
from notifications.raw.signatures import BadSignature, key_of, sign

SCHEME: Final = "standard-webhooks"
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "proppy", "Connection": "close"}
#: Bytes in a secret, by the specification.
SECRET_BYTES: Final = range(24, 65)
#: Bytes of an answer that are looked at, and characters of it that a reason shows.
LONGEST_ANSWER: Final = 4096
LONGEST_SAID: Final = 200
#: Seconds: what asks for more is asked again after a year.
LONGEST_RETRY_AFTER: Final = 366 * 24 * 3600.0
#: What passes by itself, besides 5xx.
PASSING: Final = frozenset({408, 425, 429})
UNTRUSTED: Final = "the receiver does not believe us: copy its secret to WEBHOOK_SECRET, and set both clocks right"
WHAT_TO_DO: Final = {
    401: UNTRUSTED,
    403: UNTRUSTED,
    404: "nothing is at this address: mend WEBHOOK_URL",
    405: "this address takes no POST: mend WEBHOOK_URL",
    410: "the receiver wants no more: take WEBHOOK_URL away, or ask it for a new one",
    413: "the event is too large: raise the receiver's limit, or tell less",
}
REFUSED: Final = "the receiver refuses this event: look into its log"
WRITE_URL: Final = "WEBHOOK_URL: write the receiver's address, https://host/path, in ASCII and without spaces"
WRITE_KEY: Final = (
    "WEBHOOK_SECRET: copy the receiver's (whsec_ and 24 to 64 bytes in base64), or give it the output of "
    "python -c \"import base64, secrets; print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\""
)

URL: Final = re.compile(r"[!-~]+")
#: A dot would end the id early in what is signed.
ID: Final = re.compile(r"[\w:-]{1,128}", re.ASCII)
SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Webhook(Channel):
    """An address that takes POSTs; a repeated one has the same webhook-id.

    Not harmless: the signature would vouch for lines that any local user may have written.
    """

    digests = True
    interval = 0.1
    burst = 10

    def __init__(self, name: str, *, url: str, secret: str, timeout: float = 10.0) -> None:
        super().__init__(name)
        address = _address(url)
        self._host = address.hostname or ""
        self._is_https = address.scheme == "https"
        self._port = address.port or (443 if self._is_https else 80)
        self._target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        # A page that says what was asked for shows the query, escaped in who knows which way.
        self._quotes = not address.query
        self._secret = _checked(secret)
        if not 0 < timeout < math.inf:
            raise ValueError("timeout: write the seconds for one POST, such as 10.0")
        self._timeout = timeout

    def deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            self._post(*message(event))

    def _post(self, id_: str, body: bytes) -> None:
        headers = sign(SCHEME, body, self._secret, time.time(), id_) | HEADERS
        try:
            with closing(self._connection()) as connection:
                self._exchange(connection, headers, body)
        except TimeoutError as error:
            raise Unavailable(f"{self._host} did not answer within {self._timeout:g} s") from error
        except OSError as error:
            raise Unavailable(f"{self._host} cannot be reached: {one_line(str(error))}") from error
        except HTTPException as error:  # which quotes the answer
            raise Unavailable(f"{self._host} speaks no HTTP ({type(error).__name__})") from None

    def _connection(self) -> HTTPConnection:
        # A name may have two addresses that do not answer.
        timeout = self._timeout / 2
        if not self._is_https:
            return HTTPConnection(self._host, self._port, timeout=timeout)
        return HTTPSConnection(self._host, self._port, timeout=timeout, context=self._tls)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made once, and not by each `manage.py check`: reading the authorities takes longer than a post."""
        return ssl.create_default_context()

    def _exchange(self, connection: HTTPConnection, headers: dict[str, str], body: bytes) -> None:
        until = time.monotonic() + self._timeout
        connection.connect()
        sock = connection.sock  # which http.client forgets once it knows that there is no second request
        sock.settimeout(self._timeout)
        with ExitStack() as stack:
            with _hanging_up(sock, until):
                with suppress(BrokenPipeError):  # it has read enough to answer
                    connection.request("POST", self._target, body, headers)
                response = stack.enter_context(connection.getresponse())
            if 200 <= response.status < 300:
                return
            raw = b""
            with suppress(OSError, HTTPException), _hanging_up(sock, until):
                raw = response.read1(LONGEST_ANSWER)
            raise self._failure(response, raw)

    def _failure(self, response: HTTPResponse, raw: bytes) -> Unavailable | Undeliverable:
        status, said = response.status, _first_line(raw) if self._quotes else ""
        answer = f"{self._host} answered {status}"
        ending = f" (it said: {said})" if said else ""
        if status in PASSING or status >= 500 or status < 200:
            return Unavailable(answer + ending, retry_after=_retry_after(response.getheader("Retry-After")))
        if status < 400:
            host = _host_of(response.getheader("Location")) or "another address"
            return Undeliverable(f"{answer}: the address moved to {host}: mend WEBHOOK_URL")
        return Undeliverable(f"{answer}: {WHAT_TO_DO.get(status, REFUSED)}{ending}")


def message(event: Event) -> tuple[str, bytes]:
    """The webhook-id of an event, the same whenever it is sent, and the body."""
    moment = event.time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    data = {"id": utf8(event.id), "text": utf8(event.text), "fields": clean_values(event.data, utf8)}
    payload = {"type": event.name, "timestamp": moment, "data": data}
    if not ID.fullmatch(event.id):
        data["id"] = f"msg_{hashlib.sha256(_json(payload)).hexdigest()[:32]}"
    return data["id"], _json(payload)


def _json(payload: dict[str, Any]) -> bytes:
    """In ASCII: what turns the direction of writing does nothing to who reads it, nor does a wrong character set."""
    return json.dumps(payload, allow_nan=False, separators=(",", ":")).encode("ascii")


@contextmanager
def _hanging_up(sock: socket.socket, until: float) -> Iterator[None]:
    """Break the connection off at a time, and raise TimeoutError.

    A socket's own time limit begins anew with each byte; and headers that were cut off look complete to http.client.
    """
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with suppress(OSError):  # it is closed already
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # that of a TLS socket takes its state from under the reader

    timer = threading.Timer(max(until - time.monotonic(), 0), hang_up)
    timer.start()
    try:
        yield
    except (OSError, HTTPException):
        if not late.is_set():
            raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError


def _address(url: str) -> SplitResult:
    """Raises ValueError, which does not show the address: there may be a password in it."""
    try:
        address = urlsplit(url.strip())
        host, port = address.hostname or "", address.port
        host.encode("idna")
    except (ValueError, AttributeError):
        raise ValueError(WRITE_URL) from None
    if address.scheme not in {"http", "https"} or not host or port == 0 or not URL.fullmatch(url.strip()):
        raise ValueError(WRITE_URL)
    if "@" in address.netloc:
        raise ValueError("WEBHOOK_URL: leave user and password out; the signature says who sends")
    if address.scheme == "http" and not (host == "localhost" or is_loopback(host)):
        raise ValueError("WEBHOOK_URL: write https://; without TLS anybody on the way can read the events")
    return address


def _checked(secret: str) -> str:
    try:
        secret = secret.strip()
        size = len(key_of(SCHEME, secret))
    except (BadSignature, AttributeError):
        size = 0
    if size not in SECRET_BYTES:
        raise ValueError(WRITE_KEY)
    return secret


def _retry_after(value: str | None) -> float | None:
    """Seconds that the receiver asks to wait, as a number or as a date."""
    value = (value or "").strip()
    if SECONDS.fullmatch(value):
        seconds = float(value)
    elif (date := parse_http_date_safe(value)) is not None:
        seconds = max(date - time.time(), 0.0)
    else:
        return None
    return min(seconds, LONGEST_RETRY_AFTER)


def _host_of(location: str | None) -> str:
    try:
        return one_line(urlsplit(location or "").hostname or "")[:LONGEST_SAID]
    except ValueError:
        return ""


def _first_line(raw: bytes) -> str:
    lines = raw.decode("utf-8", "replace").strip().splitlines()
    return one_line(lines[0])[:LONGEST_SAID] if lines else ""
