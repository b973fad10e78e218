"""Reads values of variables. What cannot be meant is refused in one line: the variable, and what to write."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

BOOLEANS: Final = dict.fromkeys(("true", "yes", "on", "1", "y", "ok"), True) | dict.fromkeys(
    ("false", "no", "off", "0", "n"), False
)
LARGEST: Final = 2**63 - 1
#: Characters of a value in an error.
LONGEST_SHOWN: Final = 60
LARGEST_PORT: Final = 65535
_NAME: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_NAME}(\.{_NAME})*\.?")
_IPV6: Final = re.compile(r"\[(.*)\]", re.DOTALL)
_VISIBLE: Final = re.compile(r"[!-~]+")


def boolean(name: str, text: str, *, default: bool) -> bool:
    """`default` for "". Raises ImproperlyConfigured, as all of these do."""
    if not (word := text.strip().lower()):
        return default
    if word not in BOOLEANS:
        raise ImproperlyConfigured(f"{name} is {_shown(text)}: write true or false.")
    return BOOLEANS[word]


def number(name: str, text: str, *, default: int, least: int = 0, most: int = LARGEST) -> int:
    """A whole number from `least` to `most`; `default` for ""."""
    if not (digits := text.strip()):
        return default
    # Not int() first: it takes 1_000 and other scripts' digits, and refuses thousands of digits in its own words.
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= len(str(LARGEST))
    if not (is_number and least <= int(digits) <= most):
        limit = f"from {least} to {most}" if most < LARGEST else f"of {least} or more"
        raise ImproperlyConfigured(f"{name} is {_shown(text)}: write a whole number {limit}, such as {default}.")
    return int(digits)


def port(name: str, text: str, *, default: int) -> int:
    return number(name, text, default=default, least=1, most=LARGEST_PORT)


def listen_host(name: str, text: str, *, default: str) -> str:
    """An address or a name of this machine; `default` for ""."""
    host = text.strip() or default
    if not (_is_ip(host) or _is_host_name(host)):
        raise ImproperlyConfigured(f"{name} is {_shown(text)}: write an address of this machine, such as {default}.")
    return host


def web_address(name: str, text: str) -> str:
    """A URL of a server, or "". The error does not show it: there may be a password in it."""
    url = text.strip()
    try:
        parts = urlsplit(url)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        known = False
    if url and not (known and _VISIBLE.fullmatch(url)):
        raise ImproperlyConfigured(f"{name} is not the address of a server: write a whole one, https://host/path.")
    return url


def allowed_hosts(name: str, texts: Iterable[str]) -> list[str]:
    """Names as Django compares them with a request's: without scheme, port and path."""
    hosts = [text.strip() for text in texts if text.strip()]
    for host in hosts:
        ipv6 = _IPV6.fullmatch(host)
        if not (host == "*" or (_is_ip(ipv6[1]) if ipv6 else _is_host_name(host.removeprefix(".")))):
            advice = "write names alone, without https:// and port, such as www.example.org,.example.com,[::1]."
            raise ImproperlyConfigured(f"{name} has {_shown(host)}: {advice}")
    return hosts


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_host_name(text: str) -> bool:
    """Also an IPv4 address; not one that is cut or has too large numbers."""
    return _HOST.fullmatch(text) is not None and (_is_ip(text) or not re.fullmatch(r"[0-9.]+", text))


def _shown(text: str) -> str:
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")
