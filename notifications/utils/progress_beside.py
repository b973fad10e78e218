"""Lines of logs and of print() stay whole beside a bar: they are written above it."""

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from notifications.utils.progress import ProgressBar


@contextmanager
def beside(progress: ProgressBar) -> Iterator[None]:
    """In the block what this process writes to the terminal is written above the bar. Without a bar nothing changes."""
    if not progress.is_bar:
        yield
        return
    streams = {stream: _Above(stream, progress) for stream in (sys.stdout, sys.stderr) if stream.isatty()}
    with ExitStack() as stack:
        if sys.stdout in streams:
            stack.enter_context(redirect_stdout(streams[sys.stdout]))
        if sys.stderr in streams:
            stack.enter_context(redirect_stderr(streams[sys.stderr]))
        for handler in _handlers():
            if (before := handler.stream) in streams:
                handler.setStream(streams[before])
                stack.callback(handler.setStream, before)
        yield


class _Above:
    def __init__(self, stream: Any, progress: ProgressBar) -> None:
        self._stream, self._progress = stream, progress

    def write(self, text: str) -> int:
        self._progress.write(text, self._stream)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _handlers() -> list["logging.StreamHandler[Any]"]:
    """Of all loggers, each once."""
    named = logging.root.manager.loggerDict.values()
    loggers = [logging.root, *(each for each in named if isinstance(each, logging.Logger))]
    found = {handler for logger in loggers for handler in logger.handlers}
    return [each for each in found if isinstance(each, logging.StreamHandler)]
