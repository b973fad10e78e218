"""What people did to payloads, failure groups, failed deliveries, losses and refused entries: who, and when."""

from typing import Any, ClassVar, Final

from django.core.exceptions import EmptyResultSet
from django.db import connections, models
from django.db.models import Q

from notifications.database.fast_sql import table_of, time_value
from notifications.models.aware_times import AwareDateTimeField
from notifications.utils.clean_text import clean
from notifications.utils.times import utc_now

#: For each kind of row its column.
COLUMNS: Final = {
    "RawPayload": "payload_id",
    "FailureGroup": "failure_id",
    "FailedDelivery": "delivery_id",
    "Loss": "loss_id",
    "Refusal": "refusal_id",
}


class OperatorActionQuerySet(models.QuerySet["OperatorAction"]):
    def record(self, rows: "models.QuerySet[Any]", what: str, by: str, note: str = "") -> list[int]:
        """Record an action on each of `rows`, in the caller's transaction; returns their ids.

        The rows are locked until its end, in one order: two people may choose the same ones. This is its first
        statement: SQLite would refuse to write after a read.
        """
        db, column = connections[self.db], COLUMNS[rows.model.__name__]
        chosen = rows.order_by("pk").select_for_update().values_list("pk", flat=True)
        try:
            select, parameters = chosen.query.get_compiler(self.db).as_sql()
        except EmptyResultSet:
            return []
        values = [time_value(db, utc_now()), clean(by), what, clean(note)]
        with db.cursor() as cursor:
            cursor.execute(
                f'INSERT INTO {table_of(self.model)} ("at", "by", "what", "note", "{column}")'
                f' SELECT %s, %s, %s, %s, chosen.* FROM ({select}) AS chosen RETURNING "{column}"',
                [*values, *parameters],
            )
            return [pk for (pk,) in cursor.fetchall()]


class OperatorAction(models.Model):
    """One action of a person on one row. The row may be gone: there is no constraint, and `prune_raw` tidies up."""

    at = AwareDateTimeField()
    by = models.TextField(help_text="A user of the admin, or of a terminal")
    what = models.TextField()
    note = models.TextField(db_default="", blank=True)
    payload = models.ForeignKey("RawPayload", models.DO_NOTHING, null=True, db_constraint=False, db_index=False)
    failure = models.ForeignKey("FailureGroup", models.DO_NOTHING, null=True, db_constraint=False, db_index=False)
    delivery = models.ForeignKey("FailedDelivery", models.DO_NOTHING, null=True, db_constraint=False, db_index=False)
    loss = models.ForeignKey("Loss", models.DO_NOTHING, null=True, db_constraint=False, db_index=False)
    refusal = models.ForeignKey("Refusal", models.DO_NOTHING, null=True, db_constraint=False, db_index=False)

    objects: ClassVar[OperatorActionQuerySet] = OperatorActionQuerySet.as_manager()  # type: ignore[assignment]  # as in payload.py

    class Meta:
        indexes = [
            models.Index(fields=[name, "id"], name=f"action_{name}", condition=Q(**{f"{name}__isnull": False}))
            for name in ("payload", "failure", "delivery", "loss", "refusal")
        ]

    def __str__(self) -> str:
        return f"{self.what} by {self.by}"
