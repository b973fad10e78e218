"""Which reasons of failed deliveries are alike."""

import pytest

from notifications.utils.reason_fingerprint import reason_fingerprint as of

TRACEBACK = """Traceback (most recent call last):
  File "/srv/notifications/follow_journal/delivery.py", line 74, in deliver
  File "/srv/shop/handlers.py", line {line}, in {function}
{kind}: {message}
"""


def trace(line: int = 41, function: str = "greet", kind: str = "KeyError", message: str = "'a'") -> str:
    return TRACEBACK.format(line=line, function=function, kind=kind, message=message)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("is_archived: unarchive it", "is_archived: unarchive it\n"),
        ("h answered 410: gone (it said: order 7)", "h answered 410: gone (it said: order 8)"),
        ("no row 4711 of 'Ada'", "no row 123456 of 'Bob'"),
        ("id 01234567-89ab-cdef", "id fedcba98-7654-3210"),
        (trace(message="'a'"), trace(message="'b'", line=47)),
    ],
)
def test_alike(one: str, other: str) -> None:
    assert of(one) == of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("h answered 410: gone", "h answered 404: gone"),
        ("is_archived: x", "no_text: x"),
        (trace(), trace(function="other")),
        (trace(), trace(kind="ValueError")),
        (trace(), trace().strip().rpartition("\n")[2]),
        ("defaced", "facades"),  # words that could be hexadecimal
    ],
)
def test_different(one: str, other: str) -> None:
    assert of(one) != of(other)


def test_any_text_has_one() -> None:
    texts = ["", "\n", "\ud800", "\0", "x" * 100_000]
    assert all(len(of(text)) == 32 for text in texts)
