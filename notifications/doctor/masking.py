"""Keeps secrets out of what is printed: errors of libraries quote addresses and options."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.views.debug import get_default_exception_reporter_filter

from notifications.conf import conf

MASK: Final = "…"
#: user:password@ of an address, but for those words themselves, which advice has.
SIGN_IN: Final = re.compile(r"(?<=://)(?!user:password@)[^/@\s]*@")
#: Shorter values are words of any text.
SHORTEST: Final = 6
#: Names whose values may be secret addresses, besides those that Django's filter knows.
ADDRESS: Final = re.compile(r"URL|PROXY", re.IGNORECASE)
#: Those that people need to see, and which have no secret but before an @.
PLAIN: Final = re.compile(r"api_url|endpoint_url", re.IGNORECASE)


class Mask:
    """Replaces the values of secret settings in a text, and the sign-in of each address."""

    def __init__(self) -> None:
        safe = get_default_exception_reporter_filter().get_safe_settings()
        found = {each for each in (*_hidden(_settings(safe), safe), *_addresses()) if len(each) >= SHORTEST}
        self._secrets = sorted(found, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        text = SIGN_IN.sub(f"{MASK}@", text)
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def _settings(safe: Mapping[str, Any]) -> dict[str, Any]:
    from django.conf import settings

    return {name: getattr(settings, name, None) for name in safe}


def _hidden(value: Any, safe: Any) -> Iterator[str]:
    """What Django's filter of error pages has masked."""
    if isinstance(value, dict) and isinstance(safe, dict):
        for key, inner in value.items():
            yield from _hidden(inner, safe.get(key))
    elif isinstance(value, list | tuple) and isinstance(safe, list | tuple):
        for inner, safe_inner in zip(value, safe, strict=False):
            yield from _hidden(inner, safe_inner)
    elif value != safe:
        yield from _texts(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _texts(inner)


def _addresses() -> Iterator[str]:
    """Those that are as secret as a password, whatever the project's filter knows; and each after its host."""
    options = [(key, value) for channel in conf.channels.values() for key, value in channel.options.items()]
    for name, value in (("heartbeat_url", conf.heartbeat_url), ("https_proxy", conf.https_proxy), *options):
        if isinstance(value, str) and ADDRESS.search(name) and not PLAIN.search(name):
            yield value
            yield value.partition("://")[2].partition("/")[2]
