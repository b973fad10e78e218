from argparse import SUPPRESS
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from notifications.management.tables import require_tables
from notifications.operations import prune
from notifications.operations.erase import Search
from notifications.operations.erase_dialogue import Dialogue
from notifications.operations.pauses import unhurried
from notifications.operations.search_text import pattern_of
from notifications.utils.progress import ProgressBar
from notifications.utils.times import parse_time
from notifications.workers.loop import Stop, stop_on_signals


class Command(BaseCommand):
    help = (
        "Delete payloads older than their source keeps them (keep_done_days, keep_dead_days, keep_quarantined_days);"
        " with --containing, instead, all that contain a text: those of one person."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--source", default="", help="only this source")
        parser.add_argument("--days", type=float, help="keep done ones this long, whatever the sources say")
        parser.add_argument("--batch", type=int, default=prune.BATCH, help=SUPPRESS)
        parser.add_argument("--dry-run", action="store_true", help="only show what would be deleted")
        parser.add_argument("--containing", metavar="TEXT", help="all with this name, address, … in any state")
        parser.add_argument("--since", metavar="TIME", help='of those, received since "90 days ago" or "2026-05-01"')
        parser.add_argument("--until", metavar="TIME", help='of those, received before "now"')
        parser.add_argument("--yes", action="store_true", help="delete those without asking")

    def handle(self, *_: Any, containing: str | None, **options: Any) -> None:
        require_tables()
        try:
            if containing is None:
                self._prune(**options)
            else:
                self._erase(containing, **options)
        except (Error, OSError) as error:
            raise CommandError(f"{error}. Run it again for the rest.") from error

    def _prune(self, *, source: str, days: float | None, batch: int, dry_run: bool, **options: Any) -> None:
        if options["since"] or options["until"] or options["yes"]:
            raise CommandError("--since, --until and --yes are for --containing.")
        if (days is not None and not 0 <= days <= 36500) or not 1 <= batch <= prune.BATCH:
            raise CommandError(f"--days must be at least 0, --batch from 1 to {prune.BATCH}.")
        with stop_on_signals() as stop:
            rules = prune.rules(source=source, done_days=days)
            counts = {rule: count for rule in rules if (count := rule.rows().order_by().count())}
            for rule, count in counts.items():
                self.stdout.write(f"{count:8} {rule.state} in {rule.source}, from before {rule.before:%Y-%m-%d %H:%M}")
            if dry_run:
                self.stdout.write(f"{sum(counts.values())} payloads would be deleted.")
                return
            self.stdout.write(f"{self._delete(stop, counts, batch)} payloads deleted.")
            if stop.is_set():
                self.stdout.write("Stopped: run it again for the rest.")
            else:
                prune.prune_groups()
                for _ in unhurried(prune.prune_records(), stop.wait):
                    if stop.is_set():
                        break

    def _delete(self, stop: Stop, counts: dict[prune.Rule, int], batch: int) -> int:
        deleted = 0
        steps = (gone for rule in counts for gone in prune.prune(rule, batch=batch))
        with ProgressBar(self.stdout, sum(counts.values())) as progress:
            for gone in unhurried(steps, stop.wait):
                deleted += gone
                progress.show(deleted)
                if stop.is_set():
                    break
        return deleted

    def _erase(
        self, text: str, *, source: str, since: str, until: str, dry_run: bool, yes: bool, **options: Any
    ) -> None:
        if not (since and until) or options["days"] is not None:
            raise CommandError('--containing needs --since and --until, such as --since "90 days ago" --until now.')
        try:
            search = Search(pattern_of(text), parse_time(since), parse_time(until), source)
        except ValueError as error:
            raise CommandError(str(error)) from error
        Dialogue(search, self.stdout).run(dry_run=dry_run, yes=yes)
