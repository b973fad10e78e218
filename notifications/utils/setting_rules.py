"""What each setting of the engine may be, and what to write instead."""

import ipaddress
import math
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

#: Visible ASCII.
URL: Final = re.compile(r"[!-~]+")

Rule = tuple[Callable[[Any], bool], str]


def is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_list_of(kind: type, value: Any) -> bool:
    return (
        isinstance(value, Collection) and not isinstance(value, str | bytes) and all(isinstance(i, kind) for i in value)
    )


def is_network(value: Any) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return isinstance(value, str)


def is_web_address(value: Any, *, origin: bool = False) -> bool:
    """Whether it is http:// or https:// with a host, or "". `origin`: and no more than that, but perhaps a port."""
    if not isinstance(value, str) or not value:
        return isinstance(value, str)
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    has_more = bool(parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    return is_address and URL.fullmatch(value) is not None and not (origin and has_more)


TEXT: Final[Rule] = (is_text, 'Write a text in quotation marks, or "".')
ENTRIES: Final[Rule] = (lambda value: isinstance(value, dict), 'Write {"name": {…its options}, …}.')
#: By name, without NOTIFICATIONS_.
RULES: Final[dict[str, Rule]] = {
    "ALERT_CHANNEL": (is_text, 'Write the name of a channel, such as "SLACK".'),
    "ALERT_LOG_UNITS": (lambda value: is_list_of(str, value), "Write a list of names of units."),
    "BODY_STORAGE": (is_text, 'Write an alias in STORAGES, or "".'),
    "CHANNELS": ENTRIES,
    "DATABASE": (is_text, 'Write an alias in DATABASES, such as "default".'),
    "FOLLOWER_UNIT": TEXT,
    "GATE": (lambda value: value == "auto" or is_flag(value), 'Write "auto", True or False.'),
    "HEARTBEAT_URL": (is_web_address, 'Write "https://host/path", or "".'),
    "HTTPS_PROXY": (is_text, 'Write "http://host:port", or "".'),
    "JOURNAL_URL": TEXT,
    "METRICS_INTERVAL": (is_positive, "Write seconds, such as 60."),
    "METRICS_URL": TEXT,
    "MIN_FREE_BYTES": (lambda value: is_whole(value, 0), "Write a number of bytes, such as 134217728."),
    "NOTIFY_SOCKET": TEXT,
    "NO_PROXY": (lambda value: is_list_of(str, value), 'Write a list of hosts, such as ["intranet.example"].'),
    "RATE_LIMITS": (is_flag, "Write True or False."),
    "RAW_MAX_BODY_BYTES": (lambda value: is_whole(value, 1), "Write a number of bytes, such as 10485760."),
    "RELEASE": (is_text, 'Write what you call it, such as "1.4.0", or "".'),
    "SITE_URL": (lambda value: is_web_address(value, origin=True), 'Write "https://host", without a path, or "".'),
    "SOURCES": ENTRIES,
    "SPOOL_MAX_BYTES": (lambda value: is_whole(value, 0), "Write a number of bytes, such as 1073741824."),
    "STATE_DIR": (lambda value: isinstance(value, str | Path), 'Write a folder, such as BASE_DIR / "var".'),
    "STATUS_TOKEN": TEXT,
    "TEXT_JOURNAL_URL": TEXT,
    "TRUSTED_PROXIES": (
        lambda value: is_list_of(str, value) and all(map(is_network, value)),
        'Write a list of addresses or networks, such as ["127.0.0.1", "10.0.0.0/8"].',
    ),
    "TRUSTED_UIDS": (lambda value: is_list_of(int, value), "Write a list of numbers of users, such as [1000, 0]."),
}
