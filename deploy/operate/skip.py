"""Moves all channels of this machine to the end of their journals: what was written before is not told again.

Run by deploy/restore, while nothing follows: the positions of a backup are as old as it is. So are the accounts of the
processes that wrote events then: how those went on is in what is skipped.
"""

import sys
import time
import uuid
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from deploy.operate.database import Failed, state_dir
from notifications.times import OLDEST

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from notifications.models import Position


def main() -> None:
    folder = state_dir()  # sets Django up
    from django.db import Error
    from django.utils import timezone

    from notifications.follow.positions import machine_id
    from notifications.models import Account, Position, Writer

    try:
        Writer.objects.filter(machine=machine_id()).delete()
        Account.objects.filter(machine=machine_id()).update(known_since="")
        _say_what_to_count(Position.objects.filter(machine=machine_id(), channel="REPORT").exclude(entry_time=None))
        for key in set(Position.objects.filter(machine=machine_id()).values_list("journal", flat=True)):
            cursor = _mark(key.removesuffix("#text"))
            ours = Position.objects.filter(machine=machine_id(), journal=key)
            now = timezone.now()
            ours.update(cursor=cursor, entry_time=now, waiting=0, next_attempt_at=None, problem="", updated_at=now)
    except (Error, OSError, Failed) as error:
        sys.exit(f"Failed: the channels were not moved to now ({error}), and would tell again: {folder}")


def _say_what_to_count(positions: "QuerySet[Position]") -> None:
    """What the backup had counted ends where the channel stood; the journal has what came after that."""
    for position in positions.exclude(journal__endswith="#text"):
        moment = (position.entry_time or OLDEST) + timedelta(microseconds=1)
        print(  # noqa: T201
            "What was counted after the backup is forgotten, and in the journal. Before you start anything, once:\n"
            f'    proppy-manage follow_journal --channel REPORT --since "{moment:%Y-%m-%d %H:%M:%S.%f}+00:00"'
        )


def _mark(url: str) -> str:
    """Write an entry into the journal, and give its position. Raises OSError, and Failed where it does not show."""
    from django.utils import timezone

    from notifications.conf import conf
    from notifications.journal import journal_from_url

    journal, start = journal_from_url(url, conf.state_dir), timezone.now() - timedelta(seconds=1)
    message = f"proppy's database was restored: nothing before this is told again ({uuid.uuid4()})"
    with closing(journal):
        journal.write(journal.encode({"MESSAGE": message, "SYSLOG_IDENTIFIER": "proppy", "PRIORITY": "5"}))
        while timezone.now() - start < timedelta(seconds=30):
            with journal.open(since=start, follow=False) as reader:
                while not reader.exhausted:
                    for entry in reader.read(1000):
                        if entry.fields.get("MESSAGE") == message:
                            return entry.position
            time.sleep(0.1)
    raise Failed(f"what is written to {url} does not show in it")


if __name__ == "__main__":
    main()
