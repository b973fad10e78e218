"""Before a command starts: are the engine's tables there?"""

from django.apps import apps
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, Error

from notifications.conf import conf
from notifications.database import bounded_wait


def require_tables() -> None:
    """Raise CommandError, which says what to run. While the database is away nobody can know, and it passes."""
    db = bounded_wait.connection()
    try:
        there = set(bounded_wait.run_bounded(db, db.introspection.table_names))
    except (Error, OSError):
        return
    ours = apps.get_containing_app_config(__name__)
    missing = {model._meta.db_table for model in ours.get_models()} - there if ours else set()
    if missing:
        option = "" if conf.database == DEFAULT_DB_ALIAS else f" --database {conf.database}"
        raise CommandError(f"The table {min(missing)} is not in the database: run manage.py migrate{option}")
