"""Shows how many bytes of a backup or a restore have been copied: by the engine's bar, or a line from time to time."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

#: Seconds between two looks at a file that grows.
LOOK: Final = 0.5


class Copied:
    """Of `total` bytes. Used by one thread; django.setup() has run."""

    def __init__(self, total: int) -> None:
        from django.core.management.base import OutputWrapper

        from notifications.utils.progress import ProgressBar

        self._bar, self._seen = ProgressBar(OutputWrapper(sys.stdout), total, unit="B"), 0

    def __enter__(self) -> "Copied":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def add(self, size: int) -> None:
        """So many bytes more were copied."""
        self._seen += size
        self._bar.show(self._seen)

    @contextmanager
    def growing(self, path: Path, size: int) -> Iterator[None]:
        """In the block a program or library writes this file, which will have about `size` bytes."""
        with self._watched(lambda: path.stat().st_size, size):
            yield

    @contextmanager
    def read(self, path: Path) -> Iterator[BinaryIO]:
        """Yields the file for the standard input of a program, which reads it in the block."""
        # A program that inherits an open file has its place in common with us.
        with (
            path.open("rb") as file,
            self._watched(lambda: os.lseek(file.fileno(), 0, os.SEEK_CUR), path.stat().st_size),
        ):
            yield file

    @contextmanager
    def _watched(self, seen: Callable[[], int], size: int) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(seen, size, over))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        self.add(size)

    def _watch(self, seen: Callable[[], int], size: int, over: threading.Event) -> None:
        while not over.wait(LOOK):
            with suppress(OSError):  # it is not there yet
                self._bar.show(self._seen + min(seen(), size))
