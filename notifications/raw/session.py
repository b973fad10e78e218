"""What a worker's session with PostgreSQL may do: its transactions end when its lease would."""

from typing import Any


def limit_transactions(db: Any, seconds: float) -> None:
    """Have the server end the session of a Django connection that leaves a transaction open and idle for longer.

    A worker that was stopped in mid-handler (a paused machine, a debugger) holds its locks until then, and whoever
    takes its payloads over would wait for them and fail. Asked once for each connection.
    """
    if db.vendor != "postgresql":
        return
    db.ensure_connection()
    if getattr(db, "limited_connection", None) is not db.connection:
        with db.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {max(1, int(seconds * 1000))}")
        db.limited_connection = db.connection
