"""Webhook: a signed HTTP POST for each event, by Standard Webhooks (github.com/standard-webhooks)."""

import hashlib
import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from notifications.channels.base import Channel, Unavailable, Undeliverable
from notifications.events.event import Event
from notifications.http import retry_after
from notifications.http.https_proxy import PROXY_IN_BETWEEN, Connection, proxy_for
from notifications.http.signatures import BadSignature, key_of, sign
from notifications.utils import graphemes
from notifications.utils.addresses import is_loopback
from notifications.utils.clean_text import clean_values, one_line, utf8
from notifications.utils.finding import Finding, ok, warning
from notifications.utils.limited_sockets import limited

SCHEME: Final = "standard-webhooks"
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "proppy", "Connection": "close"}
#: Bytes in a secret, by the specification.
SECRET_BYTES: Final = range(24, 65)
#: Bytes to read of an answer, and characters of it to show.
LONGEST_ANSWER: Final = 4096
LONGEST_QUOTE: Final = 200
#: Seconds for an examination, and what a server answers that knows no HEAD.
EXAMINATION: Final = 4.0
NOT_IMPLEMENTED: Final = 501
#: Temporary errors, besides 5xx. 407 is the answer of a proxy, which the receiver has not seen.
TEMPORARY: Final = frozenset({407, 408, 425, 429})
UNTRUSTED: Final = "the receiver refuses our signature: copy its secret to WEBHOOK_SECRET, and check both clocks"
WHAT_TO_DO: Final = {
    401: UNTRUSTED,
    403: UNTRUSTED,
    404: "nothing is at this address: mend WEBHOOK_URL",
    405: "this address takes no POST: mend WEBHOOK_URL",
    410: "the receiver wants no more events: remove WEBHOOK_URL, or ask for a new one",
    413: "the event is too large: raise the receiver's limit, or emit less",
}
REFUSED: Final = "the receiver refuses this event: see its log"
WRITE_URL: Final = "WEBHOOK_URL: write the receiver's address, https://host/path, in ASCII and without spaces"
WRITE_KEY: Final = (
    "WEBHOOK_SECRET: copy the receiver's (whsec_ and 24 to 64 bytes in base64), or give it the output of "
    "python -c \"import base64, secrets; print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\""
)

URL: Final = re.compile(r"[!-~]+")
#: Without dots: a dot ends the id in the signed text.
ID: Final = re.compile(r"[\w:-]{1,128}", re.ASCII)


class Webhook(Channel):
    """POSTs each event to a URL. A repeated POST has the same webhook-id.

    Not harmless: we must not sign lines that any local user may have written.
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
        proxy_for(self._host, self._port)  # raises ValueError for a setting that is wrong
        self._target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        # An answer may repeat the query, which may have a password.
        self._may_quote = not address.query
        self._secret = _checked_secret(secret)
        if not 0 < timeout < math.inf:
            raise ValueError("timeout: write the seconds for one POST, such as 10.0")
        self._timeout = timeout

    def deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            self._post(*message(event))

    def examine(self) -> Iterator[Finding]:
        """Asks with HEAD, which is no event. Whether it accepts our signature only an event shows."""
        with self._reached(), closing(self._connection()) as connection:
            connection.connect()
            connection.sock = limited(connection.sock, time.monotonic() + EXAMINATION)
            connection.request("HEAD", self._target, headers=HEADERS)
            status = connection.getresponse().status
        yield self._judged(status)

    def _judged(self, status: int) -> Finding:
        text = f"{self._host} answers {status} to HEAD"
        if status in {404, 410} or 300 <= status < 400:
            return warning(f"{text}: an event may fare no better", "Mend WEBHOOK_URL, unless it takes POST alone.")
        if status >= 500 and status != NOT_IMPLEMENTED:
            return warning(text, "See the receiver's log.")
        return ok(f"{text}; whether it accepts our signature only an event shows")

    def _post(self, id_: str, body: bytes) -> None:
        headers = sign(SCHEME, body, self._secret, time.time(), id_) | HEADERS
        with self._reached(), closing(self._connection()) as connection:
            self._exchange(connection, headers, body)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise Unavailable(f"{self._host} did not answer within {self._timeout:g} s") from error
        except OSError as error:
            raise Unavailable(f"{self._host} cannot be reached: {one_line(str(error))}") from error
        except HTTPException as error:  # its text quotes the answer
            raise Unavailable(f"{self._host} does not speak HTTP ({type(error).__name__})") from None

    def _connection(self) -> HTTPConnection:
        timeout = self._timeout / 2  # for each address: a name often has two
        if not self._is_https:
            return HTTPConnection(self._host, self._port, timeout=timeout)
        return Connection(self._host, self._port, timeout=timeout)

    def _exchange(self, connection: HTTPConnection, headers: dict[str, str], body: bytes) -> None:
        until = time.monotonic() + self._timeout
        connection.connect()
        connection.sock = limited(connection.sock, until)
        with suppress(BrokenPipeError):  # the receiver may answer before it has read all
            connection.request("POST", self._target, body, headers)
        with connection.getresponse() as response:
            if 200 <= response.status < 300:
                return
            raw = b""
            with suppress(OSError, HTTPException):
                raw = response.read1(LONGEST_ANSWER)
            raise self._failure(response, raw)

    def _failure(self, response: HTTPResponse, raw: bytes) -> Unavailable | Undeliverable:
        status, quote = response.status, _first_line(raw) if self._may_quote else ""
        answer = f"{self._host} answered {status}"
        ending = f" (it said: {quote})" if quote else ""
        if status == 407:
            answer += f": {PROXY_IN_BETWEEN}"
        if status in TEMPORARY or status >= 500 or status < 200:
            return Unavailable(answer + ending, retry_after=retry_after.asked(response.headers))
        if status < 400:
            host = _host_of(response.getheader("Location")) or "another address"
            return Undeliverable(f"{answer}: the address moved to {host}: mend WEBHOOK_URL")
        return Undeliverable(f"{answer}: {WHAT_TO_DO.get(status, REFUSED)}{ending}")


def message(event: Event) -> tuple[str, bytes]:
    """Returns the webhook-id of an event, always the same, and the body."""
    moment = event.time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    data = {"id": utf8(event.id), "text": utf8(event.text), "fields": clean_values(event.data, utf8)}
    payload = {"type": event.name, "timestamp": moment, "data": data}
    if not ID.fullmatch(event.id):
        data["id"] = f"msg_{hashlib.sha256(_json(payload)).hexdigest()[:32]}"
    return data["id"], _json(payload)


def _json(payload: dict[str, Any]) -> bytes:
    """ASCII: safe from wrong character sets, and from characters that change the writing direction."""
    return json.dumps(payload, allow_nan=False, separators=(",", ":")).encode("ascii")


def _address(url: str) -> SplitResult:
    """Raises ValueError without the address, which may have a password."""
    try:
        address = urlsplit(url.strip())
        host, port = address.hostname or "", address.port
        host.encode("idna")
    except (ValueError, AttributeError):
        raise ValueError(WRITE_URL) from None
    if address.scheme not in {"http", "https"} or not host or port == 0 or not URL.fullmatch(url.strip()):
        raise ValueError(WRITE_URL)
    if "@" in address.netloc:
        raise ValueError("WEBHOOK_URL: leave user and password out; the signature shows who sends")
    if address.scheme == "http" and not (host == "localhost" or is_loopback(host)):
        raise ValueError("WEBHOOK_URL: write https://; without TLS others on the network can read the events")
    return address


def _checked_secret(secret: str) -> str:
    try:
        secret = secret.strip()
        size = len(key_of(SCHEME, secret))
    except (BadSignature, AttributeError):
        size = 0
    if size not in SECRET_BYTES:
        raise ValueError(WRITE_KEY)
    return secret


def _host_of(location: str | None) -> str:
    try:
        return one_line(urlsplit(location or "").hostname or "")[:LONGEST_QUOTE]
    except ValueError:
        return ""


def _first_line(raw: bytes) -> str:
    lines = raw.decode("utf-8", "replace").strip().splitlines()
    return graphemes.first(one_line(lines[0]), LONGEST_QUOTE) if lines else ""
