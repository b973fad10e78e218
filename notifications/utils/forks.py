"""Forked children: their objects are renewed, and they do not go on with their parent's work."""

import logging
import os
import weakref
from typing import Protocol

logger = logging.getLogger(__name__)


class ForkAware(Protocol):
    def after_fork(self) -> None:
        """Called in the child before other code."""


_objects: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def renew_after_fork(item: ForkAware) -> None:
    """Call `item.after_fork()` in each child, as long as `item` lives."""
    _objects.add(item)


def _renew() -> None:
    for item in list(_objects):
        item.after_fork()


os.register_at_fork(after_in_child=_renew)


class ParentOnly:
    """The block calls other people's code, which may fork: a child that comes to its start or end is ended there.

    Its connections are its parent's: it must neither use them nor close them. `name` says in the log whose code it
    was, and `process` which process may go on; by default it is the one that makes this. No generator, which takes
    longer: each payload enters three.
    """

    __slots__ = ("_name", "_process")

    def __init__(self, name: str, process: int = 0) -> None:
        self._name, self._process = name, process or os.getpid()

    def __enter__(self) -> None:
        _end_child(self._name, self._process)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _end_child(self._name, self._process, raised=kind is not None)


def _end_child(name: str, process: int, *, raised: bool = False) -> None:
    if os.getpid() == process:
        return
    try:
        logger.error(
            "%s has forked, and its child %d goes no further than that. End a child with os._exit(), or use subprocess",
            name,
            os.getpid(),
            exc_info=raised,
        )
    finally:
        os._exit(int(raised))
