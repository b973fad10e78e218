from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifications import handlers
from notifications.conf import conf
from notifications.process_raw.chores import chores
from notifications.process_raw.worker import BATCH, ProcessRaw
from notifications.utils.folder_rights import explain
from notifications.workers import loop
from notifications.workers.housekeeping import Housekeeper


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
        handlers.autodiscover()
        workers = [partial(ProcessRaw, sources=source, batch=batch, drain=drain)] * threads
        try:
            loop.run([*workers, partial(Housekeeper, chores=chores(), drain=drain)])
        except OSError as error:
            if not (why := explain(error)):
                raise
            raise CommandError(why) from error
