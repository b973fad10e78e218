from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from notifications.models import RawPayload, State


class Command(BaseCommand):
    help = "Delete payloads that were done long ago, in small batches. Dead ones are kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="keep what was done since (%(default)s)")
        parser.add_argument("--batch", type=int, default=500, help="rows deleted at a time (%(default)s)")
        parser.add_argument("--dry-run", action="store_true", help="only say how many")

    def handle(self, *_: Any, days: int, batch: int, dry_run: bool, **__: Any) -> None:
        if days < 0 or batch < 1:
            raise CommandError("--days takes a number from 0, --batch one from 1.")
        old = RawPayload.objects.filter(state=State.DONE, done_at__lt=timezone.now() - timedelta(days=days))
        if dry_run:
            self.stdout.write(f"{old.count()} payloads would be deleted.")
            return
        deleted = 0
        while ids := list(old.order_by("pk").values_list("pk", flat=True)[:batch]):
            deleted += old.filter(pk__in=ids)._raw_delete("default")
            self.stdout.write(f"\r{deleted} payloads deleted", ending="")
            self.stdout.flush()
        self.stdout.write(f"\r{deleted} payloads deleted.")
