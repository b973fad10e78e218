"""What waits, by source, as the worker counts it: a capture reads this and counts nothing."""

from django.db import models


class SourceTotal(models.Model):
    """Payloads of a source that are not finished. `waiting`: received, processing, retrying."""

    source = models.TextField(unique=True)
    waiting = models.PositiveBigIntegerField(default=0)
    waiting_bytes = models.PositiveBigIntegerField(default=0)
    quarantined = models.PositiveBigIntegerField(default=0)
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.source
