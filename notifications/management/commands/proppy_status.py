import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from notifications.status import ChannelStatus, DatabaseStatus, Status, status


class Command(BaseCommand):
    help = "Say how both lanes are doing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_: Any, **options: Any) -> None:
        now = status()
        self.stdout.write(json.dumps(now.as_dict(), default=str) if options["json"] else "\n".join(_lines(now)))


def _lines(now: Status) -> Iterator[str]:
    if now.database is None:
        yield "The database is away: what is posted goes to the spool."
    else:
        yield from _database_lines(now.database)
    oldest = f", the oldest since {now.spool.oldest:.0f} s" if now.spool.oldest is not None else ""
    yield f"Spool: {now.spool.waiting} wait{oldest}"
    if now.spool.set_aside:
        yield f"Spool: {now.spool.set_aside} cannot be imported; look at STATE_DIR/spool"


def _database_lines(now: DatabaseStatus) -> Iterator[str]:
    yield "Payloads"
    yield from (f"  {state:<12}{count:>9}" for state, count in now.payloads.items())
    if now.oldest_waiting is not None:
        yield f"  the oldest waits since {now.oldest_waiting:.1f} s"
    yield "Channels"
    if not now.channels:
        yield "  none has read anything yet: start follow_journal"
    yield from map(_channel_line, now.channels)
    yield f"Failed deliveries: {now.failed_deliveries}"
    yield f"Losses: {now.losses}"


def _channel_line(channel: ChannelStatus) -> str:
    passed = f"{channel.lag:.1f} s ago" if channel.lag is not None else "never"
    delivered = f"{channel.delivered_at:%Y-%m-%d %H:%M:%S}" if channel.delivered_at else "never"
    return f"  {channel.channel:<12} last entry {passed}, last delivery {delivered}  ({channel.journal})"
