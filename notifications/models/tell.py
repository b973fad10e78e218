"""What the tell lane remembers: how far each channel got, what failed, what was lost, what was counted."""

from django.db import models


class Position(models.Model):
    """How far a channel has read a journal. Moved after delivery, never before."""

    machine = models.TextField(help_text="Machine id of the journal (/etc/machine-id)")
    journal = models.TextField(help_text="Address of the journal")
    channel = models.TextField()
    cursor = models.TextField(blank=True)
    entry_time = models.DateTimeField(null=True, help_text="When the last entry read was written")
    delivered_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["machine", "journal", "channel"], name="position_key"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} on {self.journal}"


class FailedDelivery(models.Model):
    """An event that a channel refused for good, with what to do about it."""

    channel = models.TextField()
    event_id = models.TextField(blank=True)
    event_time = models.DateTimeField()
    text = models.TextField()
    data = models.JSONField(default=dict)
    reason = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "failed deliveries"
        indexes = [models.Index(fields=["channel", "-id"], name="failed_channel")]

    def __str__(self) -> str:
        return f"{self.channel}: {self.reason.strip().rpartition(chr(10))[2][:200]}"


class Loss(models.Model):
    """Events that were lost, as far as is known: never hidden."""

    origin = models.TextField(help_text="Who lost them: a process, or a channel's position in a journal")
    reason = models.TextField()
    count = models.PositiveBigIntegerField(null=True, help_text="Empty where nobody can know")
    since = models.DateTimeField(null=True)
    until = models.DateTimeField()
    key = models.TextField(unique=True, help_text="Makes a report that arrives twice count once")

    class Meta:
        verbose_name_plural = "losses"

    def __str__(self) -> str:
        return f"{self.count if self.count is not None else 'unknown'} events, {self.reason}"


class ReportRow(models.Model):
    """How often something happened on a day."""

    name = models.TextField()
    day = models.DateField()
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "name"], name="report_key")]

    def __str__(self) -> str:
        return f"{self.day} {self.name}: {self.count}"
