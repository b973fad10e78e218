from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifications import handlers
from notifications.channels import channel_names
from notifications.conf import conf
from notifications.management.tables import require_tables
from notifications.operations.drain_progress import shown_payloads
from notifications.operations.heartbeat_url import HeartbeatUrl
from notifications.operations.machines import begin, take_part
from notifications.operations.problem import KINDS, OF_PROCESS_RAW, SHARED, unknown_beside
from notifications.operations.shown_work import show_lines, shown_work
from notifications.operations.watch import Look, Watch
from notifications.process_raw.chores import chores
from notifications.process_raw.claim_and_handle import BATCH, ProcessRaw
from notifications.process_raw.database_outage import DatabaseOutage
from notifications.status.left_behind import say_goodbye
from notifications.status.verdict import verdict
from notifications.utils.folder_rights import explain
from notifications.workers import drains, loop
from notifications.workers.heartbeat import beats
from notifications.workers.housekeeping import Chore, Housekeeper


class Command(BaseCommand):
    help = "Handle raw payloads, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--source", action="append", default=[], help="only this source; may be repeated")
        parser.add_argument("--batch", type=int, default=BATCH, help="payloads claimed at a time (%(default)s)")
        parser.add_argument("--threads", type=int, default=1, help="handlers that run at a time (%(default)s)")
        parser.add_argument("--drain", action="store_true", help="exit when nothing is due")

    def handle(self, *_: Any, source: list[str], batch: int, threads: int, drain: bool, **__: Any) -> None:
        for name in source:
            if name not in conf.sources:
                raise CommandError(f"No source {name!r}. There are: {', '.join(sorted(conf.sources))}.")
        if batch < 1 or threads < 1:
            raise CommandError("--batch and --threads must be at least 1.")
        require_tables()
        show_lines()
        handlers.autodiscover()
        makers = _makers(source, batch, drain, threads)
        try:
            if not drain:
                begin()
                with shown_work(f"process_raw handles {', '.join(source) or 'payloads of all sources'}") as say:
                    loop.run(makers, heartbeat="process_raw", each_second=say)
                say_goodbye(channel_names())
                return
            with shown_payloads(self.stdout, source) as show:
                loop.run(makers, each_second=show)
            drains.note("process_raw", beats())
        except OSError as error:
            if not (why := explain(error)):
                raise
            raise CommandError(why) from error


def _makers(sources: Sequence[str], batch: int, drain: bool, threads: int) -> list[Callable[[loop.Stop], loop.Worker]]:
    outage = DatabaseOutage()
    worker = partial(ProcessRaw, sources=sources, batch=batch, drain=drain, outage=outage)
    helpers = [partial(Housekeeper, chores=chores(), drain=drain)]
    if not drain:  # in a thread of its own: a chore can wait for the database or a storage
        helpers.append(partial(Housekeeper, chores=_watch(outage), lock="watch"))
    return [*[worker] * threads, *helpers]


def _watch(outage: DatabaseOutage) -> list[Chore]:
    """Reports the problems of the verdict, but those that the watch of follow_journal reports."""
    heartbeat_url = HeartbeatUrl()

    def look() -> Look:
        found = verdict(database_problem=outage.problem)
        heartbeat_url.seen(is_critical=found.is_critical)
        unknown = unknown_beside(found.problems)
        if found.status.database is None or not take_part(found.problems, found.status.workers or []):
            unknown |= SHARED
        return Look(found.problems, unknown)

    watch = Watch(look, KINDS.keys() - OF_PROCESS_RAW)
    return [Chore("watch for problems", watch, longest=None), Chore("heartbeat URL", heartbeat_url, longest=None)]
