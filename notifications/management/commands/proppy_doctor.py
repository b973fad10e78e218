import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.color import no_style

from notifications.doctor.every import examinations
from notifications.doctor.examine import Answer, Doctor
from notifications.doctor.registry import Examination
from notifications.utils.finding import Result

#: As monitoring plug-ins exit.
EXITS: Final = {Result.OK: 0, Result.WARNING: 1, Result.FAILED: 2, Result.UNKNOWN: 3}
WIDTH: Final = max(map(len, Result))
#: Clears what is in the line.
CLEAR: Final = "\r\x1b[K"


class Command(BaseCommand):
    help = (
        "Examine this machine and its neighbours, and say what to do. Changes nothing but what it cleans up again."
        " Exits 0, 1, 2 or 3: all well, warning, failed, unknown."
    )
    requires_system_checks = ()  # it must say what is wrong, whatever else is

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this; may be repeated")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_: Any, only: list[str], **options: Any) -> None:
        try:
            todo = examinations(only)
        except LookupError as error:
            raise CommandError(str(error.args[0]), returncode=EXITS[Result.UNKNOWN]) from error
        self._style = self.style if self.stdout.isatty() or options["force_color"] else no_style()
        self._width = max(len(each.name) for each in todo)
        with closing(Doctor()) as doctor:
            answers = [answer for each in todo for answer in self._examined(doctor, each, quiet=options["json"])]
        worst = min((answer.finding.result for answer in answers), key=list(Result).index)
        if options["json"]:
            self.stdout.write(json.dumps({"result": worst, "findings": list(map(_as_dict, answers))}))
        else:
            self.stdout.write(_summary(answers))
        sys.exit(EXITS[worst])

    def _examined(self, doctor: Doctor, examination: Examination, *, quiet: bool) -> list[Answer]:
        """Shows its name while it runs, then its findings."""
        shows = self.stdout.isatty() and not quiet
        if shows:
            self.stdout.write(f"{' ' * WIDTH}  {examination.name} …", ending="")
            self.stdout.flush()
        answers = doctor.examine(examination)
        if shows:
            self.stdout.write(CLEAR, ending="")
        for answer in () if quiet else answers:
            self._show(answer)
        self.stdout.flush()
        return answers

    def _show(self, answer: Answer) -> None:
        result, text, advice = answer.finding
        paint = {
            Result.OK: self._style.SUCCESS,
            Result.WARNING: self._style.WARNING,
            Result.FAILED: self._style.ERROR,
            Result.UNKNOWN: self._style.NOTICE,
        }[result]
        self.stdout.write(f"{paint(result)}{' ' * (WIDTH - len(result))}  {answer.name:<{self._width}}  {text}")
        if advice:
            self.stdout.write(f"{' ' * (WIDTH + self._width + 4)}{advice}")


def _summary(answers: Sequence[Answer]) -> str:
    """ "All is well.", "2 FAILED, 3 warnings."."""
    counts = Counter(answer.finding.result for answer in answers)
    counts[Result.OK] = 0
    parts = [
        f"{count} {each}{'s' * (each is Result.WARNING and count > 1)}" for each in Result if (count := counts[each])
    ]
    return f"{', '.join(parts)}." if parts else "All is well."


def _as_dict(answer: Answer) -> dict[str, Any]:
    return {"name": answer.name, "seconds": round(answer.seconds, 3)} | answer.finding._asdict()
