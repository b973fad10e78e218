"""Verifies webhook signatures, over the raw bytes and in constant time."""

import hashlib
import hmac
import re
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
#: A sender that changes its secret sends two signatures.
MAX_SIGNATURES: Final = 32


class BadSignature(Exception):
    """Nothing proves that the sender has the secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claim:
    """A request's signatures, unverified."""

    #: Signed before the body.
    prefix: str
    #: As sent: text is compared, so that only one spelling of a signature passes.
    signatures: tuple[str, ...]
    #: Seconds since 1970, or None if the scheme signs no time.
    timestamp: str | None = None


class Verifier(ABC):
    """One scheme: HMAC-SHA256 of `prefix + body`, in hexadecimal unless overridden."""

    #: Lower-case names.
    headers: frozenset[str]

    @abstractmethod
    def claim(self, headers: Mapping[str, str]) -> Claim:
        """Read the headers. Raises BadSignature."""

    @abstractmethod
    def write(self, body: bytes, key: bytes, timestamp: str, id: str) -> dict[str, str]:  # noqa: A002
        """Returns the headers of a request that verifies."""

    def key(self, secret: str) -> bytes:
        """The key in a configured secret. Raises ValueError."""
        return secret.encode("utf-8")

    def digest(self, key: bytes, prefix: str, body: bytes) -> str:
        return _hmac(key, prefix, body).hex()


class StandardWebhooks(Verifier):
    """github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md"""

    headers = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature"})

    def claim(self, headers: Mapping[str, str]) -> Claim:
        message, timestamp = _header(headers, "webhook-id"), _header(headers, "webhook-timestamp")
        if "." in message:  # else its end could pass for the time, and the time for the body's start
            raise BadSignature('there is a "." in the header webhook-id')
        pairs = (part.partition(",") for part in _header(headers, "webhook-signature").split(" "))
        signatures = tuple(value for version, _, value in pairs if version == "v1")
        return Claim(f"{message}.{timestamp}.", signatures, timestamp)

    def write(self, body: bytes, key: bytes, timestamp: str, id: str) -> dict[str, str]:  # noqa: A002
        signature = self.digest(key, f"{id}.{timestamp}.", body)
        return {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}

    def key(self, secret: str) -> bytes:
        return b64decode(secret.removeprefix("whsec_"), validate=True)

    def digest(self, key: bytes, prefix: str, body: bytes) -> str:
        return b64encode(_hmac(key, prefix, body)).decode()


class Stripe(Verifier):
    """docs.stripe.com/webhooks/signature"""

    headers = frozenset({"stripe-signature"})

    def claim(self, headers: Mapping[str, str]) -> Claim:
        parts = [part.partition("=") for part in _header(headers, "stripe-signature").split(",")]
        timestamps = [value for name, _, value in parts if name == "t"]
        if len(timestamps) != 1:
            raise BadSignature("the header stripe-signature needs one t=")
        signatures = tuple(value for name, _, value in parts if name == "v1")
        return Claim(f"{timestamps[0]}.", signatures, timestamps[0])

    def write(self, body: bytes, key: bytes, timestamp: str, id: str) -> dict[str, str]:  # noqa: A002
        return {"stripe-signature": f"t={timestamp},v1={self.digest(key, f'{timestamp}.', body)}"}


class GitHub(Verifier):
    """docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries. It signs no time."""

    headers = frozenset({"x-hub-signature-256"})

    def claim(self, headers: Mapping[str, str]) -> Claim:
        version, _, signature = _header(headers, "x-hub-signature-256").partition("=")
        return Claim("", (signature,) if version == "sha256" else ())

    def write(self, body: bytes, key: bytes, timestamp: str, id: str) -> dict[str, str]:  # noqa: A002
        return {"x-hub-signature-256": f"sha256={self.digest(key, '', body)}"}


class Slack(Verifier):
    """docs.slack.dev/authentication/verifying-requests-from-slack"""

    headers = frozenset({"x-slack-signature", "x-slack-request-timestamp"})

    def claim(self, headers: Mapping[str, str]) -> Claim:
        timestamp = _header(headers, "x-slack-request-timestamp")
        version, _, signature = _header(headers, "x-slack-signature").partition("=")
        return Claim(f"v0:{timestamp}:", (signature,) if version == "v0" else (), timestamp)

    def write(self, body: bytes, key: bytes, timestamp: str, id: str) -> dict[str, str]:  # noqa: A002
        signature = self.digest(key, f"v0:{timestamp}:", body)
        return {"x-slack-request-timestamp": timestamp, "x-slack-signature": f"v0={signature}"}


SCHEMES: Final[dict[str, Verifier]] = {
    "standard-webhooks": StandardWebhooks(),
    "stripe": Stripe(),
    "github": GitHub(),
    "slack": Slack(),
}


def verify(
    scheme: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Sequence[str],
    tolerance: float,
    now: float,
) -> None:
    """Raise BadSignature, and never anything else, unless one of the secrets signed this body.

    `headers` by lower-case names; `now` in seconds since 1970. A signed time may differ by `tolerance` seconds.
    """
    verifier = _verifier(scheme)
    keys = _usable_keys(scheme, secrets)
    claim = verifier.claim(headers)
    if not 0 < len(claim.signatures) <= MAX_SIGNATURES:
        raise BadSignature(f"no signature of the scheme {scheme} in the headers, or over {MAX_SIGNATURES}")
    if claim.timestamp is not None:
        _check_time(claim.timestamp, tolerance, now)
    sent = [signature.encode("ascii") for signature in claim.signatures]
    found = False
    for key in keys:
        right = verifier.digest(key, claim.prefix, body).encode()
        for signature in sent:
            found |= hmac.compare_digest(right, signature)
    if not found:
        raise BadSignature("no configured secret gives this signature")


def sign(scheme: str, body: bytes, secret: str, now: float, id: str = "msg_test") -> dict[str, str]:  # noqa: A002
    """Returns the headers (lower-case names) of a request that verifies. `id`, without dots: standard-webhooks only."""
    return _verifier(scheme).write(body, key_of(scheme, secret), str(int(now)), id)


def headers_of(scheme: str) -> frozenset[str]:
    """The lower-case names of the headers that carry the signature; none for an unknown scheme or ""."""
    return SCHEMES[scheme].headers if scheme in SCHEMES else frozenset()


def key_of(scheme: str, secret: str) -> bytes:
    """The HMAC key in a configured secret. Raises BadSignature if the secret is invalid."""
    try:
        key = _verifier(scheme).key(secret)
    except (ValueError, AttributeError, TypeError):
        key = b""
    if not key:  # with an empty key anybody could sign
        raise BadSignature(f"a secret for {scheme} is empty or invalid")
    return key


def _usable_keys(scheme: str, secrets: Iterable[str]) -> list[bytes]:
    """The keys of all valid secrets: one bad secret must not block good ones. Raises BadSignature if none is valid."""
    problem = BadSignature("no secret is configured")
    keys = []
    if isinstance(secrets, str):  # else each letter would be a secret
        secrets = [secrets]
    for secret in secrets or ():
        try:
            keys.append(key_of(scheme, secret))
        except BadSignature as error:
            problem = error
    if not keys:
        raise problem
    return keys


def _verifier(scheme: str) -> Verifier:
    if scheme not in SCHEMES:
        raise BadSignature(f"there is no signature scheme {scheme!r}: use one of {', '.join(SCHEMES)}")
    return SCHEMES[scheme]


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise BadSignature(f"the header {name} is missing")
    if not value.isascii():
        raise BadSignature(f"the header {name} is not ASCII")
    return value


def _check_time(timestamp: str, tolerance: float, now: float) -> None:
    if not TIMESTAMP.fullmatch(timestamp):
        raise BadSignature("the signed time is not a Unix time in seconds")
    if not abs(now - int(timestamp)) <= tolerance:  # refuses NaN too
        raise BadSignature(f"the signed time differs by more than {tolerance:g} s from ours")


def _hmac(key: bytes, prefix: str, body: bytes) -> bytes:
    digest = hmac.new(key, prefix.encode("ascii"), hashlib.sha256)
    digest.update(body)
    return digest.digest()
