"""The examinations that apps have registered. No other module of the doctor is imported here: web processes do."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from notifications.utils.finding import Finding

#: Yields findings, at least one. What it raises is an unknown finding. It runs in a thread of its own.
Look = Callable[[], Iterable[Finding]]


class Examination(NamedTuple):
    """`only_asked`: it runs only if `--only` names it, since others notice it."""

    name: str
    look: Look
    only_asked: bool = False


_registered: Final[dict[str, Examination]] = {}


def register(name: str, *, only_asked: bool = False) -> Callable[[Look], Look]:
    """Decorates a function that `proppy_doctor` calls. `name`: a word in lower case, as it is printed.

    The function has five seconds. It cleans up what it makes, also if it fails.
    """

    def added(look: Look) -> Look:
        _registered[name] = Examination(name, look, only_asked)
        return look

    return added


def registered() -> list[Examination]:
    """In the order of their registration."""
    return list(_registered.values())


def unregister(name: str) -> None:
    """For tests: as if it had not been registered."""
    _registered.pop(name, None)
