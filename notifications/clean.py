"""Text and values that every database, every JSON reader and every terminal takes."""

import math
from collections.abc import Callable
from typing import Any, Final

DEEPEST: Final = 100


def utf8(text: str) -> str:
    """The text with lone surrogates, which UTF-8 has not, replaced by ?."""
    return text.encode("utf-8", "replace").decode()


def clean(text: str) -> str:
    """The text with NULs replaced by U+FFFD and lone surrogates by ?, both of which PostgreSQL refuses."""
    return utf8(text.replace("\0", "\ufffd"))


def clean_values(value: Any, text: Callable[[str], str] = clean, depth: int = 0) -> Any:
    """Values that are JSON: `text` of each string, no NaN, no infinity, no thousands of levels."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (dict, list, tuple)):
        if depth == DEEPEST:
            return "…"
        if isinstance(value, dict):
            return {text(str(name)): clean_values(item, text, depth + 1) for name, item in value.items()}
        return [clean_values(item, text, depth + 1) for item in value]
    return text(str(value))


def quoted_lines(text: str) -> str:
    """For a log: each line made safe by `one_line` and indented, so that none passes for a line of the log's own."""
    return "\n".join(f"    {_printable(line)}" for line in text.splitlines())


def one_line(text: str) -> str:
    """For a terminal or a log: one line, without control characters and those that turn the direction of writing."""
    return _printable(" ".join(text.split()))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
