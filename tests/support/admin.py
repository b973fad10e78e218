"""The admin as somebody's browser sees it: a client that is logged in, rows to look at."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from notifications import keep
from notifications.models import (
    Attempt,
    FailedDelivery,
    FailureGroup,
    Loss,
    Machine,
    OperatorAction,
    Position,
    RawPayload,
    Refusal,
    ReportRow,
    State,
)
from notifications.models.attempts import Outcome

LIST = "/admin/notifications/rawpayload/"
FAILURES = "/admin/notifications/failuregroup/"
FAILED = "/admin/notifications/faileddelivery/"
TRACEBACK = 'Traceback (most recent call last):\n  File "handlers.py", line 1\nValueError: <b>nope</b>\n'


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def staff(*permissions: str) -> Client:
    """A member of the staff with these permissions alone."""
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def payload(body: bytes = b"{}", content_type: str = "", **columns: Any) -> RawPayload:
    """One that was kept, with some columns changed."""
    receipt = keep("demo", body, content_type=content_type, headers=columns.pop("headers", {}))
    RawPayload.objects.filter(receipt=receipt).update(**columns)
    return RawPayload.objects.get(receipt=receipt)


def group(title: str = "KeyError: 'price'", *, source: str = "demo", **columns: Any) -> FailureGroup:
    """A failure group."""
    now = timezone.now()
    values = {"place": "shop/handlers.py:41, count", "first_at": now, "last_at": now, "attempts": 37, **columns}
    return FailureGroup.objects.create(source=source, title=title, fingerprint=title, **values)


def page(client: Client, stored: RawPayload) -> str:
    """The page of a payload."""
    answer = client.get(f"{LIST}{stored.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def listed(client: Client, query: str = "", address: str = LIST) -> list[int]:
    """The ids that a list shows."""
    return [row.pk for row in client.get(f"{address}?{query}").context["cl"].result_list]


def act(client: Client, action: str, *stored: Model, address: str = LIST, **more: str) -> str:
    """What the page says that follows an action on these rows."""
    data = {"action": action, "index": "0", "_selected_action": [str(one.pk) for one in stored], **more}
    return client.post(address, data, follow=True).content.decode()


EVIL = "<script>alert(1)</script>\u202e"


def everything() -> dict[str, int]:
    """One row of each model, full of markup; the primary key of each."""
    now = timezone.now()
    stored = payload(
        EVIL.encode(),
        EVIL,
        headers={EVIL: EVIL},
        **dict.fromkeys(["source", "method", "path", "query", "remote_addr", "idempotency_key", "error"], EVIL),
    )
    failing = FailureGroup.objects.create(
        **dict.fromkeys(["source", "title", "place", "fingerprint", "traceback", "frames", "state_by"], EVIL),
        **dict.fromkeys(["first_release", "last_release", "resolved_by"], EVIL),
        **dict.fromkeys(["first_at", "last_at", "state_at", "resolved_at"], now),
    )
    RawPayload.objects.update(failure=failing)
    attempt = dict.fromkeys(["worker", "release", "traceback", "log"], EVIL)
    Attempt.objects.create(payload=stored, number=1, outcome=Outcome.FAILED, failure=failing, **attempt)
    good = payload(f"{EVIL} is good".encode(), EVIL, source=EVIL, state=State.DONE, done_at=now, next_attempt_at=None)
    tell = {"channel": EVIL, "reason": EVIL, "text": EVIL, "event_id": EVIL}
    where, seen = {"machine": EVIL, "journal": EVIL}, {"seen_at": now, "seen_by": EVIL}
    entry = {"reason": EVIL, "name": EVIL, "author": EVIL, "example": EVIL, "since": now, "until": now}
    delivery = FailedDelivery.objects.create(event_time=now, data={EVIL: [EVIL]}, **tell)
    for row in ({"payload": stored}, {"payload": good}, {"failure": failing}, {"delivery": delivery}):
        done = OperatorAction.objects.create(at=now, **dict.fromkeys(["by", "what", "note"], EVIL), **row)
    return {
        "rawpayload": stored.pk,
        "failuregroup": failing.pk,
        "position": Position.objects.create(channel=EVIL, cursor=EVIL, entry_time=now, problem=EVIL, **where).pk,
        "faileddelivery": delivery.pk,
        "loss": Loss.objects.create(origin=EVIL, channel=EVIL, reason=EVIL, key=EVIL, until=now, **seen).pk,
        "refusal": Refusal.objects.create(count=7, **entry, **where, **seen).pk,
        "machine": Machine.objects.create(machine=EVIL, host=EVIL, seen_at=now).pk,
        "operatoraction": done.pk,
        "reportrow": ReportRow.objects.create(name=EVIL, day=now.date(), count=3).pk,
    }
