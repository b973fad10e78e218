"""What machines that share a database know of each other, and which problems of all were reported."""

from typing import ClassVar

from django.db import models

from notifications.models.aware_times import AwareDateTimeField
from notifications.models.events import JSON


class Machine(models.Model):
    """One with a process_raw, which writes this row: the machine's own problems, and its workers' heartbeats."""

    machine = models.TextField(unique=True, help_text="Machine id (/etc/machine-id)")
    host = models.TextField()
    seen_at = AwareDateTimeField(help_text="When its process_raw looked last")
    problems = models.JSONField(default=list)
    workers = models.JSONField(default=list)

    objects: ClassVar["models.Manager[Machine]"]

    class Meta:
        required_db_features = JSON

    def __str__(self) -> str:
        return self.host


class ReportedProblem(models.Model):
    """A problem of the shared database that was reported, and is not over: whichever machine reports next knows it."""

    mark = models.TextField(unique=True)
    since = AwareDateTimeField(help_text="When the problem began")

    objects: ClassVar["models.Manager[ReportedProblem]"]

    def __str__(self) -> str:
        return self.mark
