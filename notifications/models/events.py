"""What the tell lane remembers: how far each channel got, what failed, what was lost, what was counted."""

from typing import ClassVar, Final

from django.db import models

from notifications.models.aware_times import AwareDateTimeField
from notifications.models.seen import LossQuerySet, RefusalQuerySet
from notifications.utils import graphemes

#: For each model with a JSONField. Without it `check` of Django 6.1 opens the database, to ask it.
JSON: Final = ("supports_json_field",)


class Position(models.Model):
    """How far a channel has read a journal. Moved after delivery, never before."""

    machine = models.TextField(help_text="Machine id of the journal (/etc/machine-id)")
    journal = models.TextField(help_text="Address of the journal")
    channel = models.TextField()
    cursor = models.TextField(blank=True)
    entry_time = AwareDateTimeField(null=True, help_text="When the last entry read was written")
    delivered_at = AwareDateTimeField(null=True)
    waiting = models.PositiveIntegerField(default=0, help_text="Events in hand that could not be delivered yet")
    next_attempt_at = AwareDateTimeField(null=True, help_text="Empty where nothing waits")
    problem = models.TextField(blank=True, help_text="Why events wait")
    problem_since = AwareDateTimeField(null=True, help_text="When that began; means nothing without a problem")
    tally = models.JSONField(null=True, help_text="Which numbers of which processes were read, to count what is lost")
    held_until = AwareDateTimeField(null=True, help_text="Until when the destination asked to be left alone")
    updated_at = AwareDateTimeField(auto_now=True)

    class Meta:
        required_db_features = JSON
        verbose_name = "channel"
        constraints = [
            models.UniqueConstraint(fields=["machine", "journal", "channel"], name="position_key"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} on {self.journal}"


class FailedDelivery(models.Model):
    """An event that a channel refused for good, with what to do about it."""

    channel = models.TextField()
    event_id = models.TextField(blank=True)
    event_time = AwareDateTimeField()
    text = models.TextField()
    data = models.JSONField(default=dict)
    author_known = models.BooleanField(default=True, help_text="No: a plain text line, from any user of the machine")
    reason = models.TextField()
    created_at = AwareDateTimeField(auto_now_add=True)
    again_at = AwareDateTimeField(null=True, help_text="When it is sent again; empty until somebody asks for it")
    # An older release writes rows without it.
    fingerprint = models.TextField(blank=True, db_default="", help_text="The same for reasons that are alike")

    class Meta:
        required_db_features = JSON
        verbose_name_plural = "failed deliveries"
        indexes = [
            models.Index(fields=["channel", "-id"], name="failed_channel"),
            models.Index(fields=["again_at"], name="failed_again", condition=models.Q(again_at__isnull=False)),
            models.Index(fields=["channel", "id"], name="failed_turn", condition=models.Q(again_at__isnull=False)),
            models.Index(fields=["channel", "fingerprint", "-id"], name="failed_group"),
        ]

    def __str__(self) -> str:
        return f"{self.channel}: {graphemes.first(self.reason.strip().rpartition(chr(10))[2], 200)}"


class Loss(models.Model):
    """Lost events, as far as is known: never hidden."""

    origin = models.TextField(help_text="Who lost them: a process, or a channel's position in a journal")
    channel = models.TextField(blank=True, help_text="Empty where it concerns all of them")
    reason = models.TextField()
    count = models.PositiveBigIntegerField(null=True, help_text="Empty where nobody can know")
    since = AwareDateTimeField(null=True)
    until = AwareDateTimeField()
    key = models.TextField(unique=True, help_text="Makes a report that arrives twice count once")
    told_at = AwareDateTimeField(null=True, help_text="When it was told to the alert channel")
    seen_at = AwareDateTimeField(null=True, help_text="When a person marked it as seen")
    seen_by = models.TextField(blank=True, db_default="")

    objects: ClassVar[LossQuerySet] = LossQuerySet.as_manager()  # type: ignore[assignment]  # as in payload.py

    class Meta:
        verbose_name_plural = "losses"
        indexes = [
            models.Index(fields=["id"], name="loss_untold", condition=models.Q(told_at__isnull=True)),
            models.Index(fields=["id"], name="loss_unseen", condition=models.Q(seen_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.count if self.count is not None else 'unknown'} events, {self.reason}"


class Writer(models.Model):
    """A process that writes events: which numbers of its PROPPY_ID have come, to notice missing ones."""

    machine = models.TextField()
    journal = models.TextField()
    token = models.TextField(help_text="What is before the colon in its PROPPY_ID")
    origin = models.TextField(help_text="Its unit or program, and process id")
    pid = models.BigIntegerField(null=True)
    highest = models.BigIntegerField(default=0, help_text="The highest number that has come; -1 where unknown")
    missing = models.JSONField(default=list, help_text="Runs of numbers below it that have not come")
    explained = models.BigIntegerField(default=0, help_text="Missing numbers that the process itself has told as lost")
    ended = models.BooleanField(default=False, help_text="Its last event said that it was the last")
    seen_at = AwareDateTimeField(help_text="When its last event was written")

    class Meta:
        required_db_features = JSON
        constraints = [models.UniqueConstraint(fields=["machine", "journal", "token"], name="writer_key")]

    def __str__(self) -> str:
        return f"{self.origin}: {self.highest} events"


class Account(models.Model):
    """What the accountant of a journal remembers besides its writers."""

    machine = models.TextField()
    journal = models.TextField()
    known_since = models.TextField(
        blank=True, help_text="Boot and ticks since then: the first numbers of older writers may have gone unseen"
    )
    suppressed = models.JSONField(default=list, help_text="What journald dropped, as it said: when, of whom, how many")
    units = models.JSONField(default=list, help_text="Units that write plain lines with our identifier")

    class Meta:
        required_db_features = JSON
        constraints = [models.UniqueConstraint(fields=["machine", "journal"], name="account_key")]

    def __str__(self) -> str:
        return f"Account of {self.journal}"


class Refusal(models.Model):
    """Entries that look like events and were not delivered: how often, and the last one as an example."""

    machine = models.TextField()
    journal = models.TextField()
    reason = models.TextField()
    name = models.TextField(blank=True, help_text="The event's name")
    author = models.TextField(help_text="Who wrote it, as the journal vouches for it: user id, unit")
    count = models.BigIntegerField(default=0)
    since = AwareDateTimeField()
    until = AwareDateTimeField()
    example = models.TextField(blank=True)
    seen_at = AwareDateTimeField(null=True, help_text="When a person marked it as seen")
    seen_by = models.TextField(blank=True, db_default="")
    seen_count = models.BigIntegerField(db_default=0, help_text="How many there were then: more of them are news")

    objects: ClassVar[RefusalQuerySet] = RefusalQuerySet.as_manager()  # type: ignore[assignment]  # as in payload.py

    class Meta:
        verbose_name = "refused entry"
        verbose_name_plural = "refused entries"
        constraints = [
            models.UniqueConstraint(fields=["machine", "journal", "reason", "name", "author"], name="refusal_key")
        ]

    def __str__(self) -> str:
        return f"{self.count} x {self.name or 'entries'} by {self.author}: {self.reason}"


class ReportRow(models.Model):
    """How often something happened on a day."""

    name = models.TextField()
    day = models.DateField()
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "name"], name="report_key")]

    def __str__(self) -> str:
        return f"{self.day} {self.name}: {self.count}"
