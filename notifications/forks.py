"""Locks and descriptors must not be shared with a forked child: it gets new ones."""

import os
import weakref
from typing import Protocol


class ForkAware(Protocol):
    def after_fork(self) -> None:
        """Called in the child, before anything else runs there."""


_objects: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def renew_after_fork(item: ForkAware) -> None:
    """Have `item.after_fork()` called in each child, as long as `item` lives."""
    _objects.add(item)


def _renew() -> None:
    for item in list(_objects):
        item.after_fork()


os.register_at_fork(after_in_child=_renew)
