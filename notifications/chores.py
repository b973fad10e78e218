"""The chores of `process_raw`; housekeeping.py does them."""

from notifications.housekeeping import Chore
from notifications.raw.checkpoints import Checkpoints
from notifications.raw.move_bodies import BodyMover, delete_noted
from notifications.raw.totals import count_totals


def chores() -> list[Chore]:
    """New ones, to be done from now on."""
    return [
        Chore("checkpoints", Checkpoints().do),
        Chore("move large bodies", BodyMover(), longest=None),
        Chore("delete bodies", delete_noted),
        Chore("count totals", count_totals),
    ]
