"""How far the handling of a payload got."""

from django.db import models


class State(models.TextChoices):
    RECEIVED = "received"
    PROCESSING = "processing"
    DONE = "done"
    RETRYING = "retrying"
    DEAD = "dead"
    QUARANTINED = "quarantined"
