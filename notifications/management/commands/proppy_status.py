import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from notifications.status import Status, status


class Command(BaseCommand):
    help = "Say how both lanes are doing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            now = status()
        except Error as error:
            raise CommandError(f"The database cannot be read: {error}") from error
        self.stdout.write(json.dumps(now.as_dict(), default=str) if options["json"] else _text(now))


def _text(now: Status) -> str:
    lines = ["Payloads"]
    lines += [f"  {state:<12}{count:>9}" for state, count in now.payloads.items()]
    lines += [f"  {'in the spool':<12}{now.spooled:>9}"]
    if now.oldest_waiting is not None:
        lines += [f"  the oldest waits since {now.oldest_waiting:.1f} s"]
    lines += ["Channels"] + ["  none has read anything yet: start follow_journal"] * (not now.channels)
    for channel in now.channels:
        passed = f"{channel.lag:.1f} s ago" if channel.lag is not None else "never"
        delivered = f"{channel.delivered_at:%Y-%m-%d %H:%M:%S}" if channel.delivered_at else "never"
        lines += [f"  {channel.channel:<12} last entry {passed}, last delivery {delivered}  ({channel.journal})"]
    lines += [f"Failed deliveries: {now.failed_deliveries}", f"Losses: {now.losses}"]
    return "\n".join(lines)
