"""What the site stores, and the steps of each request that its page shows."""

from datetime import timedelta
from typing import ClassVar, Final

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import models
from django.utils import timezone

#: How long a visitor can see a request's steps.
STEPS_KEPT: Final = timedelta(days=1)


class VerifiedAddress(models.Model):
    """The user has used a link mailed to the address. Signing up alone proves nothing."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True)
    verified_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"address of user {self.pk}"


class Photo(models.Model):
    """A user's photo. Its file exists once a worker has verified that it is an image."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SHOWN = "shown"
        REFUSED = "refused"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="photos")
    receipt = models.UUIDField(unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    reason = models.TextField(blank=True, help_text="Why it was refused, in words for its owner")
    file = models.FileField(blank=True)
    content_type = models.CharField(max_length=30, blank=True)
    width = models.PositiveIntegerField(default=0, help_text="Pixels")
    height = models.PositiveIntegerField(default=0, help_text="Pixels")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["owner", "-id"], name="photo_owner")]

    def __str__(self) -> str:
        return f"photo {self.pk} ({self.state})"


class ContactMessage(models.Model):
    """A posted contact form, as a worker parsed it."""

    receipt = models.UUIDField(unique=True)
    trace = models.CharField(max_length=32, blank=True, help_text="The request it came with")
    name = models.TextField(blank=True)
    email = models.TextField(blank=True)
    text = models.TextField(blank=True)
    errors = models.JSONField(default=dict, blank=True, help_text="Messages by field; empty if all was well")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        required_db_features = ("supports_json_field",)  # so that `check` of Django 6.1 does not ask the database

    def __str__(self) -> str:
        return f"contact {self.receipt}"

    @property
    def failure(self) -> str:
        """Why no worker could read it, for the visitor; "" if one did."""
        return "".join(self.errors.get(NON_FIELD_ERRORS, []))


class StepQuerySet(models.QuerySet["Step"]):
    """Steps arrive at least once, and are kept once."""

    def record(self, step: "Step") -> None:
        """Keep a step, unless it exists already."""
        self.bulk_create([step], ignore_conflicts=True)

    def forget_old(self) -> None:
        """Delete steps that can no longer be seen."""
        self.filter(at__lt=timezone.now() - STEPS_KEPT).delete()


class Step(models.Model):
    """Something done for a request: by whom, when, and how long it took."""

    trace = models.CharField(max_length=32, help_text="The request's id")
    actor = models.CharField(max_length=60)
    ref = models.CharField(max_length=100, help_text="What makes the same step, told twice, the same")
    what = models.TextField()
    at = models.DateTimeField(help_text="When it began")
    milliseconds = models.FloatField()
    ok = models.BooleanField(default=True)

    objects: ClassVar[StepQuerySet] = StepQuerySet.as_manager()  # type: ignore[assignment]  # django-stubs types as_manager() as a bare Manager

    class Meta:
        constraints = [models.UniqueConstraint(fields=["trace", "actor", "ref"], name="step_once")]
        indexes = [models.Index(fields=["at"], name="step_at")]

    def __str__(self) -> str:
        return f"{self.actor}: {self.what}"
