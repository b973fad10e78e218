"""What `keep()` takes: each mistake in its arguments is named, with what to write."""

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from logging import getLogger
from typing import Final

from notifications.conf import Source, conf
from notifications.errors import Misconfigured, UnknownSource
from notifications.http.source_rules import first_problem
from notifications.utils.times import aware

logger = getLogger(__name__)

LONGEST_KEY: Final = 255
#: What turns a value into bytes, by its type.
ENCODED: Final[dict[type, str]] = {
    str: "body.encode()",
    dict: "json.dumps(body).encode()",
    list: "json.dumps(body).encode()",
    bytearray: "bytes(body)",
    memoryview: "bytes(body)",
}


def check_arguments(source: object, body: object, content_type: object, headers: object, key: object) -> None:
    """Raise TypeError or ValueError for what `keep()` cannot take."""
    if not isinstance(source, str):
        raise TypeError(f'keep() takes the name of a source first, as in keep("welcome", b"…"), not {_type(source)}')
    if not isinstance(body, bytes):
        write = ENCODED.get(type(body), "body.read()" if hasattr(body, "read") else "str(body).encode()")
        raise TypeError(f"keep() takes bytes, not {_type(body)}: write keep({source!r}, {write})")
    if not isinstance(content_type, str):
        raise TypeError(f'content_type is a str, such as "application/json", not {_type(content_type)}')
    if headers is not None and not _is_of_strings(headers):
        raise TypeError(f'headers are a dict of str, such as {{"x-shop": "42"}}, not {_types(headers)}')
    if key is not None and not isinstance(key, str):
        raise TypeError(f"key is a str, not {_type(key)}: write key=str(…)")
    if key is not None and not is_key(key):
        raise ValueError(f"key must be printable and 1 to {LONGEST_KEY} characters long, or None")


def due_time(not_before: object) -> datetime | None:
    """`not_before` in UTC. Raises TypeError or ValueError."""
    if not_before is None:
        return None
    if not isinstance(not_before, datetime):
        raise TypeError(f"not_before is a datetime, not {_type(not_before)}: write timezone.now() + timedelta(…)")
    return aware(not_before, "not_before")


def is_key(key: str) -> bool:
    return 0 < len(key) <= LONGEST_KEY and key.isprintable()


def configured(name: str) -> Source:
    """The rules of a source. Raises UnknownSource."""
    source = conf.sources.get(name)
    if source is None:
        near = get_close_matches(name, conf.sources, 1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownSource(f"no source {name!r}: add it to NOTIFICATIONS_SOURCES{meant}")
    return source


def check_settings(source: Source) -> None:
    """Raise Misconfigured if a post cannot be taken as the settings of its source want it."""
    if problem := first_problem(source.name):
        _say_wrong(problem)
        raise Misconfigured(f"the settings of source {source.name!r} are wrong: run manage.py check")


@cache
def _say_wrong(problem: str) -> None:
    logger.error("%s No post is stored for it.", problem)


def _is_of_strings(headers: object) -> bool:
    return isinstance(headers, Mapping) and all(isinstance(each, str) for pair in headers.items() for each in pair)


def _types(headers: object) -> str:
    """What is no string in them, without a value, which may be a secret."""
    if not isinstance(headers, Mapping):
        return _type(headers)
    wrong = [pair for pair in headers.items() if not all(isinstance(each, str) for each in pair)]
    return ", ".join(f"{name!r}: {_type(value)}" for name, value in wrong[:3])


def _type(value: object) -> str:
    return type(value).__name__
