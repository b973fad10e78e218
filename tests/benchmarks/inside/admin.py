"""The pages of the admin beside rows that are finished, as a browser asks for them."""

import statistics
import time
import uuid
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone

from notifications.database.fast_sql import table_of
from notifications.models import (
    Attempt,
    FailedDelivery,
    FailureGroup,
    Loss,
    OperatorAction,
    Position,
    RawPayload,
    Refusal,
    State,
)
from notifications.models.attempts import MOST
from notifications.utils.reason_fingerprint import reason_fingerprint
from tests.benchmarks.filling import NUMBERS, TABLE, settle
from tests.benchmarks.month import fill_month

LIST: Final = "/admin/notifications/rawpayload/"
GROUPS: Final = "/admin/notifications/failuregroup/"
STATUS: Final = "/admin/notifications/status/"
FAILED: Final = "/admin/notifications/faileddelivery/"
#: One in so many payloads is dead, and fails in one of so many ways.
DEAD_EVERY: Final = 1000
WAYS: Final = 30
CHANNELS: Final = ("OPS", "SLACK")
#: Losses; a tenth as many refused entries.
RECORDS: Final = 3000
CHUNK: Final = 5000
#: Visits to each page; the first is not counted.
VISITS: Final = 6


def run(*, deliveries: int, minutes: int) -> dict[str, float]:
    """Median times of each page in ms, by name, with so many failed deliveries, and minutes of each of thirty days."""
    fill_month(minutes)
    _break_some()
    _record_attempts()
    _fail_deliveries(deliveries)
    settle()
    storages = settings.STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    with override_settings(STORAGES=storages, ALLOWED_HOSTS=["*"]):
        return _times(_client())


def _break_some() -> None:
    """Give the lists of failures something to show."""
    now = timezone.now()
    groups = [
        FailureGroup.objects.create(
            source="demo",
            fingerprint=str(way),
            title=f"KeyError: {way}",
            place="shop/handlers.py:41, count",
            first_at=now,
            last_at=now - timedelta(seconds=way),
            attempts=1,
        ).pk
        for way in range(WAYS)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE notifications_rawpayload SET state = 'dead', done_at = NULL, error = '{'x' * 1500} KeyError',"
            f" failure_id = {groups[0]} + (id / {DEAD_EVERY}) %% {WAYS} WHERE id %% {DEAD_EVERY} = 0",
            [],
        )


def _record_attempts() -> None:
    """As many as are kept, for each dead payload."""
    texts = f"'{'x' * 500}', ''"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table_of(Attempt)} (number, ended_at, worker, release, outcome, traceback, log, payload_id)"
            f" {NUMBERS.format(first=1, last=MOST)} SELECT n, received_at, 'shop1 4711', '1.4.0', 'failed', {texts}, id"
            f" FROM {TABLE}, number WHERE state = 'dead'"
        )


def _fail_deliveries(count: int) -> None:
    """With some reasons; and records of losses and of refused entries."""
    now = timezone.now()
    reasons = [f"hooks.example.org answered {400 + way}: it refuses this for good" for way in range(WAYS)]
    for start in range(0, count, CHUNK):
        FailedDelivery.objects.bulk_create(
            FailedDelivery(
                channel=CHANNELS[n % len(CHANNELS)],
                event_time=now,
                text=f"order {n} was paid",
                reason=reasons[n % WAYS],
                fingerprint=reason_fingerprint(reasons[n % WAYS]),
                again_at=now if n % 100 == 0 else None,
            )
            for n in range(start, min(start + CHUNK, count))
        )
    for name in CHANNELS:
        Position.objects.create(machine="m", journal="file:///nowhere", channel=name, entry_time=now, problem="503")
    Loss.objects.bulk_create(
        Loss(origin="shop1: web 4711", channel="SLACK", reason="killed", key=str(n), until=now) for n in range(RECORDS)
    )
    Refusal.objects.bulk_create(
        Refusal(machine="m", journal="j", reason="r", name=f"N{n}", author="a", count=3, since=now, until=now)
        for n in range(RECORDS // 10)
    )
    with transaction.atomic():
        OperatorAction.objects.record(Loss.objects.all(), "marked as seen", "ada")


def _client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(uuid.uuid4().hex))
    return client


def _times(client: Client) -> dict[str, float]:
    rows = RawPayload.objects.order_by("pk")
    first, last = (rows.only("pk", "receipt").order_by(order)[0] for order in ("pk", "-pk"))
    dead = rows.filter(state=State.DEAD).values_list("pk", flat=True).first()
    group = FailureGroup.objects.earliest("pk").pk
    reason = FailedDelivery.objects.filter(channel="SLACK").latest("pk").fingerprint
    middle = (first.pk + last.pk) // 2
    then = (timezone.now() - timedelta(seconds=(last.pk - first.pk) / 2000)).isoformat().replace("+", "%2B")
    pages = {
        "list": LIST,
        "list, far back": f"{LIST}?after={middle}",
        "list, last page": f"{LIST}?before={first.pk + 50}",
        **{f"state {state}": f"{LIST}?state={state}" for state in State},
        "source": f"{LIST}?source=demo",
        "another source": f"{LIST}?source=contact",
        "source and done": f"{LIST}?source=demo&state=done",
        "failure": f"{LIST}?failure={group}",
        "last hour": f"{LIST}?received=hour",
        "last week of another source": f"{LIST}?received=week&source=contact",
        "before a time": f"{LIST}?until={then}",
        "done before a time": f"{LIST}?until={then}&state=done&source=demo",
        "dead before a time": f"{LIST}?until={then}&state=dead",
        "receipt": f"{LIST}?q={last.receipt}",
        "start of a receipt": f"{LIST}?q={str(last.receipt)[:8]}",
        "key": f"{LIST}?q=order-7",
        "text that is nowhere": f"{LIST}?q=nowhere+at+all",
        "text in dead ones": f"{LIST}?q=KeyError&state=dead",
        "text that is nowhere in dead ones": f"{LIST}?q=nowhere+at+all&state=dead",
        "text of a time": f"{LIST}?q=nowhere+at+all&until={then}",
        "oldest first": f"{LIST}?o=-4",
        "by attempts": f"{LIST}?o=-6",
        "by size": f"{LIST}?o=-7",
        "dead by size": f"{LIST}?o=-7&state=dead",
        "of a source by attempts": f"{LIST}?o=-6&source=demo",
        "failed deliveries in groups": FAILED,
        "failed deliveries of a reason": f"{FAILED}?channel=SLACK&reason={reason}",
        "failed deliveries to be sent again": f"{FAILED}?again=yes",
        "text in failed deliveries": f"{FAILED}?q=nowhere",
        **{name: f"/admin/notifications/{name}/" for name in ("loss", "refusal", "operatoraction", "reportrow")},
        "losses that nobody has seen": "/admin/notifications/loss/?seen=no",
        "channels": "/admin/notifications/position/",
        "text in groups": f"{GROUPS}?q=KeyError",
        "payload": f"{LIST}{last.pk}/change/",
        "dead payload": f"{LIST}{dead or last.pk}/change/",
        "groups": GROUPS,
        "group": f"{GROUPS}{group}/change/",
        "bodies side by side": f"{GROUPS}{group}/compare/",
        "index with tiles": "/admin/",
        **{f"status of a {period}": f"{STATUS}?period={period}" for period in ("hour", "day", "month")},
        "refresh of now": f"{STATUS}?part=now",
        **{
            f"refresh of {part} of a {period}": f"{STATUS}?part={part}&period={period}"
            for part in ("figures", "routes")
            for period in ("hour", "day", "month")
        },
    }
    return {name: _time(client, address) for name, address in pages.items()}


def _time(client: Client, address: str) -> float:
    times = []
    for _ in range(VISITS):
        start = time.perf_counter()
        answer = client.get(address, secure=True)
        times.append((time.perf_counter() - start) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answered {answer.status_code}")
    return statistics.median(times[1:])
