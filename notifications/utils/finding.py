"""What `proppy_doctor` finds: one line of facts, and what to do next."""

from enum import StrEnum
from typing import NamedTuple, Self


class Result(StrEnum):
    """How a finding ends, the gravest first."""

    FAILED = "FAILED"
    WARNING = "warning"
    #: It could not be asked.
    UNKNOWN = "unknown"
    OK = "ok"


class _Fields(NamedTuple):
    result: Result
    text: str
    advice: str


class Finding(_Fields):
    """`text` has the facts in one sentence without its stop, `advice` says what to do: "" only where all is well.

    Raises ValueError if it does not say what to do.
    """

    __slots__ = ()

    def __new__(cls, result: Result, text: str, advice: str = "") -> Self:
        if result != Result.OK and not advice.strip():
            raise ValueError(f"a finding that is not ok must say what to do: {text}")
        return super().__new__(cls, result, text, advice)


def ok(text: str) -> Finding:
    """All is well."""
    return Finding(Result.OK, text)


def warning(text: str, advice: str) -> Finding:
    """It works, and may not for long."""
    return Finding(Result.WARNING, text, advice)


def failed(text: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(Result.FAILED, text, advice)


def unknown(text: str, advice: str) -> Finding:
    """It could not be asked."""
    return Finding(Result.UNKNOWN, text, advice)
