"""Renews objects in a forked child, which must not share its parent's locks and descriptors."""

import os
import weakref
from typing import Protocol


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
