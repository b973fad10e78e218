"""Sorts header names: credentials, signatures, headers of one connection. Names are lower-case, with dashes."""

import re
from functools import lru_cache
from typing import Final

#: A header name (RFC 9110, 5.6.2).
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CREDENTIAL: Final = re.compile("auth|cookie|token|secret|passw|api-?key|credential|session|jwt")
_SIGNATURE: Final = re.compile("signature|hmac|digest|certificate|-cert-|-sig$")
_OF_A_CONNECTION: Final = re.compile(
    r"connection|keep-alive|proxy-.*|te|trailers?|transfer-encoding|upgrade|http2-settings|expect|host|content-.*"
    r"|via|forwarded|x-forwarded.*|x-original-.*|x-real-.*|x-envoy-.*|.*client-ip|.*connecting-ip"
)


@lru_cache(maxsize=1024)
def is_credential(name: str) -> bool:
    """Whether others could use the value to pass for the sender. A signature is not one: it needs the secret.

    `proxy` counts too: web servers that add their environment to WSGI's have HTTP_PROXY there, with its password.
    """
    return name == "proxy" or _CREDENTIAL.search(name) is not None


def is_signature(name: str) -> bool:
    """Whether the header signs the body."""
    return _SIGNATURE.search(name) is not None


def is_of_a_connection(name: str) -> bool:
    """Whether the header is about one connection (RFC 9110, 7.6.1), its ends or the body's form: wrong in a copy."""
    return _OF_A_CONNECTION.fullmatch(name) is not None
