"""Times that are aware in each project."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from notifications.database.fast_sql import aware_time, time_value
from notifications.utils.times import utc_now


class AwareDateTimeField(models.DateTimeField):  # type: ignore[type-arg]  # generic in its stubs only
    """A DateTimeField whose values are aware, also where USE_TZ is False. For migrations it is Django's own."""

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        if self.auto_now or (self.auto_now_add and add):
            value = utc_now()
            setattr(model_instance, self.attname, value)
            return value
        return super().pre_save(model_instance, add)

    def get_prep_value(self, value: Any) -> Any:
        """A naive one, of a project where USE_TZ is False, is in its time zone."""
        prepared = super().get_prep_value(value)
        is_naive = isinstance(prepared, datetime) and timezone.is_naive(prepared)
        return timezone.make_aware(prepared) if is_naive else prepared

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        return time_value(connection, value if prepared else self.get_prep_value(value))

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Callable[..., Any]]:
        """None where Django itself returns aware ones: they would be called for each time of each row."""
        return [] if connection.timezone is not None else [_converted]


def _converted(value: datetime | None, _: Any, connection: BaseDatabaseWrapper) -> datetime | None:
    return aware_time(connection, value)
