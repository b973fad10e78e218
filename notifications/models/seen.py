"""Losses and refused entries that a person has marked as seen: they stay, and are news no more."""

from typing import Any

from django.db import models, transaction
from django.db.models import F

from notifications.models.operator_actions import OperatorAction
from notifications.utils.clean_text import clean
from notifications.utils.times import utc_now

SEEN = "marked as seen"
UNSEEN = "marked as not seen"


class SeenQuerySet(models.QuerySet[Any]):
    """`by` is the user's name; each change is recorded with it. Returns how many it changed."""

    def unseen(self) -> "SeenQuerySet":
        """Those that are news."""
        raise NotImplementedError

    def seen(self) -> "SeenQuerySet":
        """The others."""
        raise NotImplementedError

    def mark_seen(self, by: str) -> int:
        """A person knows of them."""
        return self.unseen()._change(SEEN, by, seen_at=utc_now(), seen_by=clean(by))

    def mark_unseen(self, by: str) -> int:
        """Undo `mark_seen`."""
        return self.filter(seen_at__isnull=False)._change(UNSEEN, by, seen_at=None, seen_by="")

    def _change(self, what: str, by: str, **columns: Any) -> int:
        with transaction.atomic(using=self.db):
            pks = OperatorAction.objects.using(self.db).record(self, what, by)
            rows = self.model._default_manager.using(self.db).filter(pk__in=pks)
            return int(rows.update(**columns))


class LossQuerySet(SeenQuerySet):
    def unseen(self) -> "LossQuerySet":
        return self.filter(seen_at__isnull=True)

    def seen(self) -> "LossQuerySet":
        return self.filter(seen_at__isnull=False)


class RefusalQuerySet(SeenQuerySet):
    """One that goes on after it was seen is news again: its count grew."""

    def unseen(self) -> "RefusalQuerySet":
        return self.filter(count__gt=F("seen_count"))

    def seen(self) -> "RefusalQuerySet":
        return self.filter(count__lte=F("seen_count"))

    def mark_seen(self, by: str) -> int:
        return self.unseen()._change(SEEN, by, seen_at=utc_now(), seen_by=clean(by), seen_count=F("count"))

    def mark_unseen(self, by: str) -> int:
        return self.filter(seen_at__isnull=False)._change(UNSEEN, by, seen_at=None, seen_by="", seen_count=0)
