"""Each metric of /metrics: type, labels, what it means. Names, types and labels are a contract (docs/metrics.md)."""

from typing import Final

from notifications.utils.prometheus_text import Family

_CHANNEL: Final = ("channel", "journal", "machine")
_ROUTE: Final = ("method", "route")

#: Of the machine that answers, and of its process's code.
OF_MACHINE: Final = {
    "proppy_build_info": Family("gauge", "1; the release that answers, as RELEASE names it.", ("release",)),
    "proppy_database_up": Family("gauge", "Whether the database answers this machine (1) or not (0)."),
    "proppy_disk_low": Family("gauge", "1 while a disk has too little room, and posts are refused or soon will be."),
    "proppy_disk_free_bytes": Family("gauge", "Bytes that are free on the disk of STATE_DIR."),
    "proppy_database_disk_free_bytes": Family("gauge", "Bytes that are free on the disk of SQLite's file."),
    "proppy_breaker_open": Family("gauge", "1 while new payloads go to the spool, since the database failed just now."),
    "proppy_spool_up": Family("gauge", "Whether the spool can be read (1) or not (0)."),
    "proppy_spool_files": Family("gauge", "Payloads that wait in the spool."),
    "proppy_spool_oldest_seconds": Family("gauge", "For how long the oldest of them has waited; 0 if none waits."),
    "proppy_spool_set_aside_files": Family("gauge", "Files of the spool that cannot be imported: somebody must look."),
    "proppy_spool_bytes": Family("gauge", "Bytes that the spool uses."),
    "proppy_spool_max_bytes": Family("gauge", "Bytes that the spool may use."),
}
#: Of the machine that answers, and of what it knows of all.
OF_VERDICT: Final = {
    "proppy_problems": Family("gauge", "Problems that there are now.", ("grade",)),
    "proppy_problem": Family("gauge", "1 while there is this problem.", ("name", "subject", "grade", "where")),
}
#: What the database says: each machine that shares it answers the same.
OF_DATABASE: Final = {
    "proppy_payloads": Family("gauge", "Payloads in this state; counting stops at 100000.", ("state",)),
    "proppy_payloads_oldest_seconds": Family("gauge", "For how long the oldest new payload has waited."),
    "proppy_payloads_other_bytes": Family("gauge", "Payloads in quarantine that came under a used key."),
    "proppy_failed_deliveries": Family("gauge", "Events that their channel refused for good.", ("channel",)),
    "proppy_failed_deliveries_to_send_again": Family("gauge", "Those of them that wait to be sent again."),
    "proppy_channel_lag_seconds": Family(
        "gauge", "Age of the last journal entry that it passed; grows while none comes.", _CHANNEL
    ),
    "proppy_channel_waiting": Family("gauge", "Events that the channel has in hand.", _CHANNEL),
    "proppy_losses": Family("gauge", "Records of lost events."),
    "proppy_lost_events_total": Family("counter", "Events that were lost, as far as their number is known."),
    "proppy_refused_entries_total": Family("counter", "Journal entries that look like events and were refused."),
}
#: Counted since ever, in the database.
OF_SERIES: Final = {
    "proppy_request_duration_seconds": Family("histogram", "How long requests took.", _ROUTE),
    "proppy_request_errors_total": Family("counter", "Requests that were answered with 500 or more.", _ROUTE),
    "proppy_intake_duration_seconds": Family("histogram", "How long posts took that were stored (202).", ("source",)),
    "proppy_intake_bytes_total": Family("counter", "Bytes of the posts that were stored.", ("source",)),
    "proppy_refused_posts_total": Family("counter", "Posts to a source that were not stored.", ("source",)),
    "proppy_handler_duration_seconds": Family("histogram", "How long attempts took.", ("source", "outcome")),
    "proppy_handled_total": Family("counter", "Attempts that succeeded.", ("source",)),
    "proppy_failed_attempts_total": Family("counter", "Attempts that failed.", ("source",)),
    "proppy_delivered_events_total": Family("counter", "Events that were delivered.", ("channel",)),
    "proppy_dropped_events_total": Family("counter", "Events that emit() dropped, since the journal took none."),
}
FAMILIES: Final = OF_VERDICT | OF_MACHINE | OF_DATABASE | OF_SERIES
