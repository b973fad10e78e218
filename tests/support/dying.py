"""A mover of bodies that kills itself: `python -m tests.support.dying STEP`."""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _module(name: str) -> Any:
    return importlib.import_module(f"notifications.{name}")


def _instead_of(module: Any, name: str) -> None:
    setattr(module, name, _die)


def _after(module: Any, name: str) -> None:
    """Die once this function has returned."""
    function: Callable[..., Any] = getattr(module, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _die(function(*args, **kwargs))

    setattr(module, name, wrapped)


STEPS: dict[str, Callable[[], None]] = {
    "before-the-file-is-synced": lambda: _instead_of(os, "fsync"),
    "before-it-has-its-name": lambda: _instead_of(Path, "rename"),
    "before-its-folder-is-synced": lambda: _after(Path, "rename"),
    "before-the-row-lets-go": lambda: _instead_of(_module("process_raw.chores.move_large_bodies"), "take_out_of_row"),
    "after-the-row-let-go": lambda: _after(_module("process_raw.chores.move_large_bodies"), "take_out_of_row"),
    "before-a-noted-body-is-deleted": lambda: _instead_of(_module("bodies.storage"), "delete"),
    "before-its-note-goes": lambda: _after(_module("bodies.storage"), "delete"),
}


def main(step: str) -> None:
    django.setup()
    from notifications.bodies import deletion_notes
    from notifications.process_raw.chores import move_large_bodies

    STEPS[step]()
    deletion_notes.PATIENCE = -1.0  # type: ignore[misc]
    move_large_bodies.delete_noted()
    move_large_bodies.BodyMover()()


if __name__ == "__main__":
    main(sys.argv[1])
