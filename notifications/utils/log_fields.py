"""What log lines belong to: a payload, a channel. It is asked for only if a line is written with fields."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

Fields = Callable[[], Mapping[str, str]]
_here: Final[ContextVar[tuple[Fields, ...]]] = ContextVar("log_fields", default=())


@contextmanager
def log_fields(fields: Fields) -> Iterator[None]:
    """In the block, what this thread logs has these fields too, named as the journal names them."""
    token = _here.set((*_here.get(), fields))
    try:
        yield
    finally:
        _here.reset(token)


def fields_here() -> dict[str, str]:
    """Those of all blocks around, the innermost last."""
    return {name: value for fields in _here.get() for name, value in fields().items() if value}
