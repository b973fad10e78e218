"""A worker's transactions on PostgreSQL end when its lease would."""

from django.db.backends.base.base import BaseDatabaseWrapper


def limit_transactions(db: BaseDatabaseWrapper, seconds: float) -> None:
    """Have the server end this session if it leaves a transaction open and idle for longer than `seconds`.

    A worker stopped in mid-handler (a paused machine, a debugger) holds its locks until then. The worker that takes
    over its payloads would wait for them and fail. Set once for each connection, and again if `seconds` change.
    """
    if db.vendor != "postgresql":
        return
    db.ensure_connection()
    if getattr(db, "limited_connection", None) != (db.connection, seconds):
        with db.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {max(1, int(seconds * 1000))}")
        db.limited_connection = db.connection, seconds  # type: ignore[attr-defined]  # ours
