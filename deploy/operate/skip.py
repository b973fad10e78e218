"""Moves all channels of this machine to the end of their journals, so that older events are not delivered again.

Run by deploy/restore, while nothing follows: a backup's positions are as old as the backup. So are the accounts of the
processes that wrote events then; their later events are skipped. Only the channels that count read them once more.
"""

import sys
import time
import uuid
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from deploy.operate.database import Failed, state_dir
from notifications.utils.times import OLDEST

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from notifications.models import Position

#: What they wrote to the database is as old as the backup.
COUNTING = ("REPORT", "SERIES")


def main() -> None:
    folder = state_dir()  # sets Django up
    from django.db import Error
    from django.utils import timezone

    from notifications.models import Account, Position, Writer
    from notifications.positions.key import machine_id

    try:
        Writer.objects.filter(machine=machine_id()).delete()
        Account.objects.filter(machine=machine_id()).update(known_since="")
        ours = Position.objects.filter(machine=machine_id()).exclude(entry_time=None)
        counted = {channel: _counted(ours.filter(channel=channel)) for channel in COUNTING}
        for key in set(Position.objects.filter(machine=machine_id()).values_list("journal", flat=True)):
            cursor = _mark(key.removesuffix("#text"))
            ours = Position.objects.filter(machine=machine_id(), journal=key)
            now = timezone.now()
            ours.update(cursor=cursor, entry_time=now, waiting=0, next_attempt_at=None, problem="", updated_at=now)
    except (Error, OSError, Failed) as error:
        sys.exit(f"Failed: the channels were not moved to now, and would deliver again ({error}): {folder}")
    for channel, since in counted.items():
        if since:
            _count_again(channel, since)


def _counted(positions: "QuerySet[Position]") -> "datetime | None":
    """When the backup's counts end: just after the last event of a channel that counts."""
    moments = [position.entry_time or OLDEST for position in positions.exclude(journal__endswith="#text")]
    return min(moments) + timedelta(microseconds=1) if moments else None


def _count_again(channel: str, since: datetime) -> None:
    """Read once what the database has forgotten; the journal has it."""
    from django.core.management import CommandError, call_command

    moment = f"{since:%Y-%m-%d %H:%M:%S.%f}+00:00"
    print(f"Counting again what the journal has of {channel} from {moment} on", flush=True)  # noqa: T201
    try:
        call_command("follow_journal", channel=[channel], since=moment)
    except CommandError as error:
        command = f'proppy-manage follow_journal --channel {channel} --since "{moment}"'
        sys.exit(f"Failed: {error}\nBefore you start anything, run once: {command}")


def _mark(url: str) -> str:
    """Write an entry to the journal; returns its position. Raises OSError, and Failed if it does not appear."""
    from django.utils import timezone

    from notifications.conf import conf
    from notifications.journal import journal_from_url

    journal, start = journal_from_url(url, conf.state_dir), timezone.now() - timedelta(seconds=1)
    message = f"proppy's database was restored: nothing before this is delivered again ({uuid.uuid4()})"
    with closing(journal):
        journal.write(journal.encode({"MESSAGE": message, "SYSLOG_IDENTIFIER": "proppy", "PRIORITY": "5"}))
        while timezone.now() - start < timedelta(seconds=30):
            with journal.open(since=start, follow=False) as reader:
                while not reader.exhausted:
                    for entry in reader.read(1000):
                        if entry.fields.get("MESSAGE") == message:
                            return entry.position
            time.sleep(0.1)
    raise Failed(f"an entry written to {url} does not appear in it")


if __name__ == "__main__":
    main()
