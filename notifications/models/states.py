"""How far the handling of a payload got."""

from typing import Final

from django.db import models
from django.db.models.expressions import RawSQL


class State(models.TextChoices):
    RECEIVED = "received"
    PROCESSING = "processing"
    DONE = "done"
    RETRYING = "retrying"
    DEAD = "dead"
    QUARANTINED = "quarantined"


#: A worker claims these when they are due.
DUE: Final = (State.RECEIVED, State.RETRYING)
#: Yet to be handled.
WAITING: Final = (State.RECEIVED, State.PROCESSING, State.RETRYING)
#: Only an operator moves these on.
STUCK: Final = (State.DEAD, State.QUARANTINED)
#: An operator may have these handled again.
REPLAYABLE: Final = (State.DONE, State.DEAD, State.RETRYING)
#: Literally the condition of the index raw_stuck: SQLite recognises it in no other form.
IS_STUCK: Final = RawSQL("state IN ('dead', 'quarantined')", [], output_field=models.BooleanField())
