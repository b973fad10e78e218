"""Cleans text and values for databases, JSON, logs and terminals."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

DEEPEST: Final = 100


def utf8(text: str) -> str:
    """The text with lone surrogates, which UTF-8 cannot encode, replaced by ?."""
    return text.encode("utf-8", "replace").decode()


def clean(text: str) -> str:
    """The text with NULs replaced by U+FFFD and lone surrogates by ?: PostgreSQL refuses both."""
    if type(text) is str and text.isascii() and "\0" not in text:
        return text
    return utf8(text.replace("\0", "\ufffd"))


def clean_texts(texts: Mapping[str, str]) -> Mapping[str, str]:
    """Each text of them cleaned. Most need nothing, so all are looked at together first."""
    if set(map(type, texts.values())) == {str}:
        together = "".join(texts.values())
        if together.isascii() and "\0" not in together:
            return texts
    return {name: clean(text) for name, text in texts.items()}


def clean_values(value: Any, text: Callable[[str], str] = clean, depth: int = 0) -> Any:
    """The value as JSON: `text` of each string, no NaN, no infinity, at most DEEPEST levels."""
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
    """For a log: each line printable and indented, so that none can pass for another line of the log."""
    return "\n".join(f"    {_printable(line)}" for line in text.splitlines())


def one_line(text: str) -> str:
    """For a terminal or a log: one line, without control characters and changes of the writing direction."""
    return _printable(" ".join(text.split()))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
