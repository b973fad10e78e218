import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifications.conf import conf
from notifications.models import RawPayload, State
from notifications.raw.wake import wake
from notifications.times import parse_time

BATCH = 500


class Command(BaseCommand):
    help = "Have payloads processed again: by source, state, time or receipt. --dry-run lists them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("receipts", nargs="*", metavar="RECEIPT", help="only these")
        parser.add_argument("--source", help="only this source")
        parser.add_argument("--state", choices=State.values, help="only in this state (without receipts: dead)")
        parser.add_argument("--since", metavar="TIME", help='received since "2 days ago" or "2026-05-01 14:02"')
        parser.add_argument("--until", metavar="TIME", help="received before")
        parser.add_argument("--dry-run", action="store_true", help="list, change nothing")

    def handle(self, *_: Any, dry_run: bool, **options: Any) -> None:
        rows = self._rows(**options)
        if dry_run:
            self._list(rows)
            return
        again, last = 0, 0
        while ids := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
            again, last = again + RawPayload.objects.filter(pk__in=ids).process_again(), ids[-1]
            wake()
        self.stdout.write(f"{again} payloads will be processed again.")

    def _list(self, rows: Any) -> None:
        listed = 0
        for row in rows.order_by("pk").defer("inline_body", "headers_json", "error").iterator():
            self.stdout.write(f"{row.receipt} {row.received_at:%Y-%m-%d %H:%M:%S} {row.state:<11} {row.source}")
            listed += 1
        if not listed:
            self.stdout.write(f"None. Without receipts it takes dead ones; else --state {'|'.join(State.values)}.")

    def _rows(self, *, receipts: list[str], **options: Any) -> Any:
        rows = RawPayload.objects.all()
        state = options["state"] or ("" if receipts else State.DEAD)
        if options["source"] and options["source"] not in conf.sources:
            raise CommandError(f"No source {options['source']!r}. There are: {', '.join(sorted(conf.sources))}.")
        try:
            if receipts:
                rows = rows.filter(receipt__in=[uuid.UUID(receipt) for receipt in receipts])
            for option, lookup in (("since", "received_at__gte"), ("until", "received_at__lt")):
                if options[option]:
                    rows = rows.filter(**{lookup: parse_time(options[option])})
        except ValueError as error:
            raise CommandError(str(error)) from error
        for name, value in (("state", state), ("source", options["source"])):
            rows = rows.filter(**{name: value}) if value else rows
        return rows
