"""Middlewares of the engine's own site that take part in a stored post. Not for projects: theirs keep the gate shut.

Such a class has a static method `at_gate(meta)`, which may not wait. It returns what it sets in META and the headers of
the answer, or None, which leaves the post to Django.
"""

from collections.abc import Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any

from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.http.response import ResponseHeaders

Header = tuple[str, str]
AtGate = Callable[[Mapping[str, Any]], tuple[Mapping[str, str], Mapping[str, str]] | None]


def takes_part(middleware: Any) -> bool:
    """Whether it says itself what it does. What a subclass does besides is not known."""
    return isinstance(middleware, type) and isinstance(vars(middleware).get("at_gate"), staticmethod)


class OwnMiddlewares:
    """In the order of MIDDLEWARE. `judged`: the variables that Django's middlewares look at, in front or behind."""

    def __init__(self, middlewares: list[Any], judged: tuple[str, ...]) -> None:
        self._called: list[AtGate] = [middleware.at_gate for middleware in middlewares if _is_used(middleware)]
        self._judged = frozenset(judged)

    def take_part(self, meta: MutableMapping[str, Any], headers: Mapping[str, Header]) -> list[Header] | None:
        """All headers of the answer; `headers` are others', by lower-case name.

        None leaves the post to Django. Raises what a middleware raises.
        """
        if not self._called:
            return list(headers.values())
        effects = []
        for at_gate in self._called:
            effect = at_gate(MappingProxyType(meta))
            if effect is None:
                return None
            effects.append(effect)
        found = dict(headers)
        for _, own in reversed(effects):  # an answer passes the last one first
            found.update({name.lower(): (name, value) for name, value in _valid(own).items()})
        for variables, _ in effects:
            if not self._judged.isdisjoint(variables):
                raise ImproperlyConfigured(f"at_gate() sets {', '.join(variables)}, which others have looked at")
            meta.update(variables)
        return list(found.values())


def _valid(headers: Mapping[str, str]) -> Mapping[str, str]:
    """As a response has them, which encodes some and refuses others. Most need neither."""
    texts = [*headers, *headers.values()]
    if set(map(type, texts)) == {str}:
        together = "".join(texts)
        if together.isascii() and together.isprintable():
            return headers
    return ResponseHeaders(headers)


def _is_used(middleware: Any) -> bool:
    """Django leaves out one that raises MiddlewareNotUsed."""
    try:
        middleware(lambda _: None)
    except MiddlewareNotUsed:
        return False
    return True
