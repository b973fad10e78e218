import json
import shutil
import sys
from collections.abc import Iterator
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.color import no_style
from django.db import connections

from notifications.conf import conf
from notifications.management.tables import require_tables
from notifications.operations.problem import Grade
from notifications.status.lag import SECONDS
from notifications.status.text import lines
from notifications.status.verdict import EXITS, Verdict, verdict
from notifications.status.verdict_text import Paints, verdict_lines
from notifications.utils.clean_text import one_line
from notifications.workers.loop import stop_on_signals

#: Seconds between two drawings of --watch.
INTERVAL: Final = 2.0
#: To the top left; clear the rest of a line; clear all below. In this order nothing flickers.
HOME: Final = "\x1b[H"
REST_OF_LINE: Final = "\x1b[K"
ALL_BELOW: Final = "\x1b[J"


class Command(BaseCommand):
    help = "Say whether all is well, which problems there are, and the status of both lanes."
    requires_system_checks = ()  # it must say what is wrong, whatever else is

    def add_arguments(self, parser: CommandParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--watch", action="store_true", help="draw it again every 2 s, until Ctrl-C")
        how.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument(
            "--check",
            action="store_true",
            help="print the problems alone; exit 0, 1, 2 or 3: all well, warning, critical, unknown",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            self._show(options)
        except Exception as error:
            if not options["check"]:
                raise
            # A bare exit of 1 would be a warning.
            why = str(error) if isinstance(error, CommandError) else f"{type(error).__name__}: {one_line(str(error))}"
            raise CommandError(f"Not all could be asked: {why}", returncode=EXITS[Grade.UNKNOWN]) from error

    def _show(self, options: dict[str, Any]) -> None:
        paints = self._paints(coloured=self.stdout.isatty() or options["force_color"])
        if options["watch"]:
            self._watch(paints, whole=not options["check"])
            return
        found = verdict(lag_seconds=SECONDS, whole=options["json"] or not options["check"])
        if found.status.database is None and not found.status.database_is_away:
            require_tables()
        if options["json"]:
            self.stdout.write(json.dumps(found.as_dict(), default=str))
        else:
            self.stdout.write("\n".join(_lines(found, paints, whole=not options["check"])))
        if options["check"]:
            sys.exit(found.exit_status)

    def _paints(self, *, coloured: bool) -> Paints:
        style = self.style if coloured else no_style()
        return {
            None: style.SUCCESS,
            Grade.CRITICAL: style.ERROR,
            Grade.WARNING: style.WARNING,
            Grade.UNKNOWN: style.NOTICE,
        }

    def _watch(self, paints: Paints, *, whole: bool) -> None:
        """Draw over what was drawn, or one below the other where there is no terminal."""
        with stop_on_signals() as stop:
            while not stop.is_set():
                drawn = list(_lines(verdict(lag_seconds=SECONDS, whole=whole), paints, whole=whole))
                if self.stdout.isatty():
                    height = shutil.get_terminal_size().lines - 1
                    text = "".join(f"{line}{REST_OF_LINE}\n" for line in drawn[:height])
                    self.stdout.write(f"{HOME}{text}{ALL_BELOW}", ending="")
                else:
                    self.stdout.write("\n".join([*drawn, ""]))
                self.stdout.flush()
                stop.wait(INTERVAL)
        connections[conf.database].close()


def _lines(found: Verdict, paints: Paints, *, whole: bool) -> Iterator[str]:
    yield from verdict_lines(found, paints)
    if whole:
        yield ""
        yield from lines(found.status)
