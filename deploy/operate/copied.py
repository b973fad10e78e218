"""Shows how many bytes of a backup or a restore have been copied: by the engine's bar, or a line from time to time."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

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
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(path, size, over))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        self.add(size)

    def _watch(self, path: Path, size: int, over: threading.Event) -> None:
        while not over.wait(LOOK):
            with suppress(OSError):  # it is not there yet
                self._bar.show(self._seen + min(path.stat().st_size, size))
