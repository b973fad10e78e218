"""The verdict for people: the headline, then each problem with its facts, what to do, and where its row is."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from notifications.events.admin_links import link
from notifications.operations.problem import Grade
from notifications.status.verdict import Verdict

#: Makes a coloured text of a plain one.
Paint = Callable[[str], str]
#: How a grade is painted, and the headline where all is well (under None).
Paints = Mapping[Grade | None, Paint]
PLAIN: Final[Paints] = dict.fromkeys((None, *Grade), str)
WIDTH: Final = max(map(len, Grade))


def verdict_lines(found: Verdict, paints: Paints = PLAIN) -> Iterator[str]:
    """ "3 PROBLEMS", then for each a line with its grade and facts, and lines for what to do, and where."""
    yield paints[found.problems[0].grade if found.problems else None](found.headline)
    for problem in found.problems:
        grade = problem.grade.upper()
        yield f"{paints[problem.grade](grade)}{' ' * (WIDTH - len(grade))}  {problem.text}."
        yield from (f"{' ' * WIDTH}  {line}" for line in (problem.advice, link(problem.path) or problem.path) if line)
