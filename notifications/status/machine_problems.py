"""What is wrong with the other machines that share the database: what they say themselves, or that they say nothing."""

from collections.abc import Iterator
from typing import Final

from notifications.events.admin_links import admin_path
from notifications.models import Machine
from notifications.operations.machines import LEFT, SILENT
from notifications.operations.problem import KINDS, Grade, Problem
from notifications.status.database import MachineStatus
from notifications.status.now import Status
from notifications.utils.durations import duration

#: What we see ourselves.
OURS: Final = frozenset({"channel-blocked", "database-away", "database-slow", "database-unknown"})
GRADES: Final = frozenset(Grade)


def machine_problems(now: Status) -> Iterator[Problem]:
    """None while the database is away."""
    for machine in now.database.machines if now.database else ():
        if machine.seen < SILENT.total_seconds():
            yield from _own(machine)
        else:
            yield _silent(machine)


def _silent(machine: MachineStatus) -> Problem:
    left = next((str(each.get("text", "")) for each in machine.problems if each.get("name") == LEFT), "")
    text = f"The process_raw of {machine.host} has said nothing for {duration(machine.seen)}"
    advice = f"Look at {machine.host}."
    if left:
        text = f"{machine.host} was stopped {duration(machine.seen)} ago, and has left {left}"
        advice = "Start its workers: nobody else can see to these."
    return Problem(
        name="machine-silent",
        subject=machine.host,
        grade=Grade.WARNING,
        text=text,
        advice=f"{advice} If it is gone for good, delete it in the admin's list of machines.",
        path=admin_path(Machine),
    )


def _own(machine: MachineStatus) -> Iterator[Problem]:
    """Not those that we see ourselves, nor those of a release that knows more kinds."""
    for each in machine.problems:
        name, grade = each.get("name"), each.get("grade")
        if name in KINDS and name not in OURS and grade in GRADES:
            texts = {key: str(each.get(key, "")) for key in ("text", "advice", "subject", "path")}
            yield Problem(name=name, grade=Grade(grade), elsewhere=True, **texts)
