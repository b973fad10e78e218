from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from notifications import handlers
from notifications.channels import OWN, channel_names
from notifications.follow_journal.build_workers import Maker, worker_makers
from notifications.follow_journal.former_machine_id import settle_former_ids
from notifications.follow_journal.shown_events import Followers, shown_events
from notifications.management.tables import require_tables
from notifications.operations.problem import OF_PROCESS_RAW
from notifications.operations.shown_work import show_lines, shown_work
from notifications.operations.watch import Look, Watch
from notifications.positions.lock import AlreadyFollowed
from notifications.status.left_behind import say_goodbye
from notifications.status.worker_problems import problems_of
from notifications.utils.folder_rights import explain
from notifications.utils.times import parse_time
from notifications.workers import drains, loop
from notifications.workers.heartbeat import beats
from notifications.workers.housekeeping import Chore, Housekeeper


class Command(BaseCommand):
    help = "Follow the journal and deliver its events to their channels, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--channel", action="append", default=[], help="only this channel; may be repeated")
        parser.add_argument(
            "--since", metavar="TIME", help='deliver again since "2 days ago", oldest or now; then exit'
        )
        parser.add_argument("--dry-run", action="store_true", help="print what would be delivered, then exit")
        parser.add_argument("--drain", action="store_true", help="exit at the journal's end")

    def handle(self, *_: Any, channel: list[str], since: str | None, dry_run: bool, drain: bool, **__: Any) -> None:
        require_tables()
        show_lines()
        handlers.autodiscover()
        unknown = set(channel) - {*channel_names(), *OWN}
        if unknown:
            raise CommandError(f"No channel {min(unknown)!r}. There are: {', '.join(channel_names())}.")
        try:
            start = None if since is None else parse_time(since)
        except ValueError as error:
            raise CommandError(f"--since: {error}") from error
        try:
            if start is None and not dry_run:
                settle_former_ids()
            makers = worker_makers(channel, since=start, dry_run=dry_run, drain=drain)
            self._run(list(makers), channel or channel_names(), once=bool(start) or dry_run, drain=drain)
        except AlreadyFollowed as error:
            raise CommandError(str(error)) from error
        except Error as error:
            raise CommandError(f"The database, which has the positions, is away: {error}") from error
        except OSError as error:
            if not (why := explain(error)):
                raise
            raise CommandError(why) from error

    def _run(self, makers: list[Maker], names: Sequence[str], *, once: bool, drain: bool) -> None:
        followers = Followers(names, makers)
        if once:
            loop.run(makers)
        elif drain:
            with shown_events(self.stdout, names, followers) as show:
                loop.run(followers.makers, each_second=show)
            drains.note("follow_journal", beats())
        else:  # it does not end by itself, so its heart should be seen to beat
            with shown_work(f"follow_journal delivers to {', '.join(names)}", followers.settled) as say:
                loop.run([*followers.makers, _watch], heartbeat="follow_journal", each_second=say)
            say_goodbye(channel_names())


def _watch(stop: loop.Stop) -> loop.Worker:
    """Reports that no process_raw runs: none of them could."""
    watch = Watch(lambda: Look(problems_of("process_raw", beats())), OF_PROCESS_RAW)
    return Housekeeper(stop, chores=[Chore("watch for problems", watch, longest=None)], lock="watch-process-raw")
