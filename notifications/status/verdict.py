"""The verdict: all problems there are now. The one list for `proppy_status`, /metrics, the admin and the alerts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from notifications.operations.problem import Grade, Problem
from notifications.status.channel_problems import channel_problems, unreadable
from notifications.status.machine_problems import machine_problems
from notifications.status.now import Status, status
from notifications.status.payload_problems import payload_problems
from notifications.status.storage_problems import storage_problems
from notifications.status.worker_problems import worker_problems
from notifications.utils.clean_text import one_line

#: As monitoring plug-ins exit.
EXIT_OK: Final = 0
EXITS: Final = {Grade.WARNING: 1, Grade.CRITICAL: 2, Grade.UNKNOWN: 3}
GRADES: Final = list(Grade)
#: Of one grade what may be the cause of others is first, and what goes with it is last.
CAUSES: Final = frozenset(
    {
        *("database-away", "database-slow", "database-disk", "state-disk", "journald-dead"),
        *("process-raw-dead", "process-raw-frozen", "follow-journal-dead", "follow-journal-frozen"),
    }
)
SYMPTOMS: Final = frozenset(
    {"database-unknown", "spool-waits", "payloads-waiting", "channel-not-followed", "losses-not-counted"}
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The problems, the gravest first and causes before symptoms, and the status that they were found in."""

    problems: list[Problem]
    status: Status

    @property
    def headline(self) -> str:
        """ "ALL WELL", "1 PROBLEM", "3 PROBLEMS"."""
        count = len(self.problems)
        return f"{count} PROBLEM{'S' * (count > 1)}" if count else "ALL WELL"

    @property
    def exit_status(self) -> int:
        """That of the gravest problem."""
        return EXITS[self.problems[0].grade] if self.problems else EXIT_OK

    @property
    def is_critical(self) -> bool:
        """Whether visitors are refused or something is being lost, on this machine or on all."""
        return any(problem.grade is Grade.CRITICAL and not problem.elsewhere for problem in self.problems)

    def count(self, grade: Grade) -> int:
        """How many problems are so grave."""
        return sum(problem.grade is grade for problem in self.problems)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        problems = [problem.as_dict() for problem in self.problems]
        return {"verdict": self.headline, "problems": problems} | self.status.as_dict()


def verdict(
    *,
    lag_seconds: float = 0.0,
    whole: bool = False,
    has_answered: bool = False,
    database_problem: Callable[[], str] = str,
) -> Verdict:
    """What is wrong now. Raises nothing while the database is away or silent, and takes no more than 3 s then.

    `lag_seconds`, `whole` and `has_answered` are for the status. `database_problem`: what keeps this process from the
    database, or "", as a worker knows it.
    """
    now = status(lag_seconds=lag_seconds, whole=whole, has_answered=has_answered)
    problems = [
        *storage_problems(now, database_problem()),
        *worker_problems(now),
        *payload_problems(now),
        *channel_problems(now),
        *machine_problems(now),
        *(unreadable(now) if lag_seconds else ()),
    ]
    return Verdict(sorted(map(_cleaned, problems), key=_order), now)


def _order(problem: Problem) -> tuple[int, int]:
    return GRADES.index(problem.grade), 0 if problem.name in CAUSES else 2 if problem.name in SYMPTOMS else 1


def _cleaned(problem: Problem) -> Problem:
    """Names of channels and hosts, and what they say, must not change a terminal or a page."""
    return replace(problem, text=one_line(problem.text), subject=one_line(problem.subject))
