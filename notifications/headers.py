"""What the headers of a request mean to whoever stores it, copies it or shows it. Names are lower-case, with dashes."""

import re
from functools import lru_cache
from typing import Final

#: What a name is made of (RFC 9110, 5.6.2).
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CREDENTIAL: Final = re.compile("auth|cookie|token|secret|passw|api-?key|credential|session|jwt")
_SIGNATURE: Final = re.compile("signature|hmac|digest|certificate|-cert-|-sig$")
_OF_A_CONNECTION: Final = re.compile(
    r"connection|keep-alive|proxy-.*|te|trailers?|transfer-encoding|upgrade|http2-settings|expect|host|content-.*"
    r"|via|forwarded|x-forwarded.*|x-original-.*|x-real-.*|x-envoy-.*|.*client-ip|.*connecting-ip"
)


@lru_cache(maxsize=1024)
def is_credential(name: str) -> bool:
    """Whether it says who asks, in a way that others could repeat. A signature is worth nothing without its secret.

    So is `proxy`, which is no header: servers that add their environment to WSGI's have the machine's own proxy there,
    with its password.
    """
    return name == "proxy" or _CREDENTIAL.search(name) is not None


def is_signature(name: str) -> bool:
    """Whether it vouches for the bytes."""
    return _SIGNATURE.search(name) is not None


def is_of_a_connection(name: str) -> bool:
    """Whether it speaks of one connection (RFC 9110, 7.6.1), or of who asked whom: it would be wrong in a copy."""
    return _OF_A_CONNECTION.fullmatch(name) is not None
