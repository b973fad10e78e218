"""Errors per million requests, and what is left of the budget of one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from notifications.admin.status.figures import Figures
from notifications.admin.status.wording import count, fraction, plural

MILLION: Final = 1_000_000
#: Errors that a million requests may have.
ALLOWED: Final = 1.0
#: The period that the budget is for.
OF: Final = "month"


@dataclass(frozen=True, slots=True)
class Rate:
    """Of one period."""

    title: str
    requests: int
    errors: int

    @property
    def per_million(self) -> float | None:
        """None without requests."""
        return self.errors / self.requests * MILLION if self.requests else None

    @property
    def is_over(self) -> bool:
        """More errors than the budget allows."""
        return self.errors > self.allowed

    @property
    def allowed(self) -> float:
        """Errors that so many requests may have."""
        return self.requests * ALLOWED / MILLION

    @property
    def words(self) -> str:
        """ "0", "3.2", "no requests"."""
        return "no requests" if self.per_million is None else fraction(self.per_million)

    @property
    def facts(self) -> str:
        """What it is made of."""
        if not self.requests:
            return "None was counted."
        return f"{plural(self.errors, 'error')} of {plural(self.requests, 'request')}"


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of the errors that 30 days may have."""

    rate: Rate

    @property
    def words(self) -> str:
        """How much is left, in two or three words."""
        if not self.rate.requests:
            return "unused"
        if not self.rate.errors:
            return "all of it"
        left = self.rate.allowed - self.rate.errors
        return f"{fraction(left / self.rate.allowed * 100)} %" if left > 0 else "nothing"

    @property
    def facts(self) -> str:
        """How many errors there may be, and what makes a spent budget whole again."""
        rate = self.rate
        if not rate.requests:
            return "One error per million requests is allowed."
        text = f"{plural(rate.requests, 'request')} allow {_errors(rate.allowed)}; there {_were(rate.errors)}"
        if not rate.is_over:
            return text
        missing = round(rate.errors * MILLION / ALLOWED) - rate.requests
        return f"{text} — {count(missing)} without an error make it whole"


def all_is_well(found: Sequence[Rate]) -> str:
    """All of these in one sentence if none has an error; else ""."""
    if any(rate.errors for rate in found):
        return ""
    if not any(rate.requests for rate in found):
        return "No requests were counted yet. One error per million of them is allowed."
    parts = [f"{count(rate.requests)} in the {rate.title.lower()}" for rate in found]
    return f"No error in any request: {', '.join(parts)}. All of the budget of 30 days is left."


def _errors(number: float) -> str:
    if number < 1:
        return "less than one error"
    return f"{fraction(number)} error{'' if number == 1 else 's'}"


def _were(number: int) -> str:
    return "was 1" if number == 1 else f"were {count(number)}"


def rates(periods: Iterable[Figures]) -> list[Rate]:
    """Of each period, from its own rows."""
    return [
        Rate(each.window.period.title, each.total("requests").count, each.total("errors").count) for each in periods
    ]
