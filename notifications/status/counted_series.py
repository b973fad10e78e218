"""What was counted since ever, for Prometheus: sums of all processes and machines, which no restart resets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from django.db import Error

from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.models.series import Series
from notifications.utils.prometheus_text import Sample, histogram, sample
from notifications.utils.sums import Sum

#: Its histogram is of milliseconds, and its total of bytes.
OF_BYTES: Final = "received"
Row = tuple[str, str, Sum]
Labels = Callable[[str], dict[str, str]]


def counted_since_ever() -> list[Row] | None:
    """The rows by name and label; None if the database does not answer in time. Raises nothing."""
    db = bounded_wait.connection()
    try:
        return bounded_wait.run_bounded(db, lambda: list(Series.objects.ever()))
    except (Error, OSError):
        return None


def _route(label: str) -> dict[str, str]:
    """Of "GET /photos/". Routes beyond the limit of labels are together in one without a method."""
    method, blank, route = label.partition(" ")
    return {"method": method, "route": route} if blank else {"method": "", "route": label}


def _source(label: str) -> dict[str, str]:
    return {"source": label}


def _channel(label: str) -> dict[str, str]:
    return {"channel": label}


#: By the name of the series.
COUNTERS: Final[Mapping[str, tuple[str, Labels]]] = {
    "errors": ("proppy_request_errors_total", _route),
    "refused": ("proppy_refused_posts_total", _source),
    "handled": ("proppy_handled_total", _source),
    "failed": ("proppy_failed_attempts_total", _source),
    "delivered": ("proppy_delivered_events_total", _channel),
}
HISTOGRAMS: Final[Mapping[str, tuple[str, Labels]]] = {
    "requests": ("proppy_request_duration_seconds", _route),
    "received": ("proppy_intake_duration_seconds", _source),
    "handled": ("proppy_handler_duration_seconds", lambda label: {"source": label, "outcome": "handled"}),
    "failed": ("proppy_handler_duration_seconds", lambda label: {"source": label, "outcome": "failed"}),
}


def series_samples(rows: Sequence[Row]) -> Iterator[Sample]:
    """The counters and histograms of all rows."""
    dropped = [point.count for name, _, point in rows if name == "dropped"]
    yield sample("proppy_dropped_events_total", sum(dropped))
    apart = [(name, label, point) for name, label, point in rows if label]  # "" is all labels together
    for (name, label), count in _counts(apart).items():
        if name in COUNTERS:
            family, labels = COUNTERS[name]
            yield sample(family, count, **labels(label))
    for name, label, point in apart:
        if name in HISTOGRAMS:
            family, labels = HISTOGRAMS[name]
            seconds = None if name == OF_BYTES else point.total / 1000
            yield from histogram(family, labels(label), point.count, seconds, point.buckets)
        if name == OF_BYTES:
            yield sample("proppy_intake_bytes_total", int(point.total), source=label)


def _counts(rows: Sequence[Row]) -> dict[tuple[str, str], int]:
    """By name and label. A counter is there before its first count, as 0: Prometheus sees no growth in a new one."""
    routes = {("errors", label): 0 for name, label, _ in rows if name == "requests"}
    seen = {label for name, label, _ in rows if name in {"received", "handled", "failed"}}
    sources = {(name, label): 0 for name in ("handled", "failed") for label in sorted({*conf.sources, *seen})}
    posted = {("refused", name): 0 for name, source in conf.sources.items() if source.http}
    channels = {("delivered", name): 0 for name in conf.channels}
    return routes | sources | posted | channels | {(name, label): point.count for name, label, point in rows}
