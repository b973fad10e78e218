"""The pages of the admin beside rows that are finished, as a browser asks for them."""

import statistics
import time
import uuid
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone

from notifications.database.fast_sql import table_of
from notifications.models import Attempt, FailureGroup, RawPayload, State
from notifications.models.attempts import MOST
from tests.benchmarks.filling import NUMBERS, TABLE, settle

LIST: Final = "/admin/notifications/rawpayload/"
GROUPS: Final = "/admin/notifications/failuregroup/"
#: One in so many payloads is dead, and fails in one of so many ways.
DEAD_EVERY: Final = 1000
WAYS: Final = 30
#: Visits to each page; the first is not counted.
VISITS: Final = 6


def run() -> dict[str, float]:
    """Median times of each page in ms, by name."""
    _break_some()
    _record_attempts()
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
            "UPDATE notifications_rawpayload SET state = 'dead', done_at = NULL, error = 'KeyError',"
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


def _client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(uuid.uuid4().hex))
    return client


def _times(client: Client) -> dict[str, float]:
    rows = RawPayload.objects.order_by("pk")
    first, last = (rows.only("pk", "receipt").order_by(order)[0] for order in ("pk", "-pk"))
    dead = rows.filter(state=State.DEAD).values_list("pk", flat=True).first()
    group = FailureGroup.objects.earliest("pk").pk
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
        "payload": f"{LIST}{last.pk}/change/",
        "dead payload": f"{LIST}{dead or last.pk}/change/",
        "groups": GROUPS,
        "group": f"{GROUPS}{group}/change/",
        "bodies side by side": f"{GROUPS}{group}/compare/",
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
