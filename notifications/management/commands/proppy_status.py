import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from notifications.management.tables import require_tables
from notifications.status.lag import SECONDS
from notifications.status.now import status
from notifications.status.text import lines


class Command(BaseCommand):
    help = "Show the status of both lanes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_: Any, **options: Any) -> None:
        require_tables()
        now = status(lag_seconds=SECONDS)
        self.stdout.write(json.dumps(now.as_dict(), default=str) if options["json"] else "\n".join(lines(now)))
