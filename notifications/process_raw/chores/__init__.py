"""The chores of `process_raw`; workers/housekeeping.py runs them."""

from notifications.process_raw.chores.count_waiting import count_totals
from notifications.process_raw.chores.delete_old_series import delete_some
from notifications.process_raw.chores.move_large_bodies import BodyMover, delete_noted
from notifications.process_raw.chores.sample_waiting import take_sample
from notifications.process_raw.chores.sqlite_checkpoints import Checkpoints
from notifications.workers.housekeeping import Chore


def chores() -> list[Chore]:
    """Returns new chores, due now."""
    return [
        Chore("checkpoints", Checkpoints().do),
        Chore("move large bodies", BodyMover(), longest=None),
        Chore("delete bodies", delete_noted),
        Chore("count totals", count_totals),
        Chore("sample what waits", take_sample),
        Chore("delete old series", delete_some),
    ]
