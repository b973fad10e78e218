"""How much waits, by source. The worker counts it; a capture only reads it."""

from django.db import models

from notifications.models.aware_times import AwareDateTimeField


class SourceTotal(models.Model):
    """Unfinished payloads of a source. `waiting`: received, processing, retrying."""

    source = models.TextField(unique=True)
    waiting = models.PositiveBigIntegerField(default=0)
    waiting_bytes = models.PositiveBigIntegerField(default=0)
    quarantined = models.PositiveBigIntegerField(default=0)
    counted_at = AwareDateTimeField()

    def __str__(self) -> str:
        return self.source
