"""What every database, JSON reader and terminal takes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from notifications.utils.clean_text import DEEPEST, clean, clean_values, one_line, utf8


@pytest.mark.parametrize(
    ("text", "as_utf8", "for_databases"),
    [("aé😀\n", "aé😀\n", "aé😀\n"), ("a\0b", "a\0b", "a\ufffdb"), ("a\ud800b", "a?b", "a?b"), ("", "", "")],
)
def test_text(text: str, as_utf8: str, for_databases: str) -> None:
    assert (utf8(text), clean(text)) == (as_utf8, for_databases)


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ({"a\0": ["b\0", None, True, 7, 1.5, 10**30]}, {"a\ufffd": ["b\ufffd", None, True, 7, 1.5, 10**30]}),
        ({1: (2, {3})}, {"1": [2, "{3}"]}),
        ([float("nan"), float("inf"), float("-inf")], ["nan", "inf", "-inf"]),
        (datetime(2026, 5, 1, tzinfo=UTC), "2026-05-01 00:00:00+00:00"),
    ],
)
def test_values(value: Any, cleaned: Any) -> None:
    assert clean_values(value) == cleaned


def test_values_too_deep() -> None:
    value: Any = "bottom"
    for _ in range(5000):
        value = {"deeper": [value]}
    assert json.dumps(clean_values(value)).count("[") == DEEPEST // 2
    assert "bottom" not in json.dumps(clean_values(value))


def test_values_as_another_function_says() -> None:
    assert clean_values({"a": ["b"]}, str.upper) == {"A": ["B"]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n\tb\r\n", "a b"),
        ("a\x1b[31m\x9b\0", "a\ufffd[31m\ufffd\ufffd"),
        ("\u202egnp\u2028.é😀", "\ufffdgnp .é😀"),
        ("\ud800", "\ufffd"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line
