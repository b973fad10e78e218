"""Each tile of the status page opens the list of what it counts, or there is a reason why it has none."""

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any, Final

import pytest
from django.db.models import Model
from django.test import Client

from notifications.models import FailedDelivery, Loss, Machine, Position, Refusal, State
from notifications.status import database
from notifications.utils.times import utc_now
from tests.support.admin import listed, payload

pytestmark = pytest.mark.django_db

STATUS: Final = "/admin/notifications/status/"
TITLE: Final = re.compile(r'id="tile-(\w+)">\s*<span class="tile-title">(?:<a href="([^"]+)">)?')
#: Tiles without a list, and why.
WITHOUT: Final = {
    "disk": "the file system is asked for its room, and no row has that",
    "database": "it does not answer, so no list of it can be shown",
}


@pytest.fixture(autouse=True)
def _own_state(settings: Any, tmp_path: Path) -> None:
    settings.NOTIFICATIONS_STATE_DIR = tmp_path


def links(admin: Client) -> dict[str, str]:
    """The address of each tile of the page, "" of those that are no link. That of routes has its list on the page."""
    found = {key: unescape(address) for key, address in TITLE.findall(admin.get(STATUS).content.decode())}
    return {key: address for key, address in found.items() if key != "times"}


def of_payloads() -> dict[str, list[Model]]:
    """The rows that the list of each tile is to have. Beside them is a row that none of them is to have."""
    now = utc_now()
    payload(state=State.DONE, next_attempt_at=None, done_at=now, received_at=now - timedelta(hours=2))
    waiting = payload()
    dead, quarantined = (payload(state=state, next_attempt_at=None) for state in (State.DEAD, State.QUARANTINED))
    return {
        "waiting": [waiting],
        "dead": [dead],
        "quarantined": [quarantined],
        "spool": [waiting, dead, quarantined],  # of the last hour: what was imported from it is among them
    }


def of_events() -> dict[str, list[Model]]:
    """As `of_payloads`; that somebody has seen, or sends again, is no reason to look."""
    now = utc_now()
    _, failed = (FailedDelivery.objects.create(channel="SLACK", event_time=now, again_at=at) for at in (now, None))
    entry: dict[str, Any] = {"machine": "m", "journal": "j", "author": "a", "count": 1, "since": now, "until": now}
    seen_refusal, refusal = (Refusal.objects.create(reason=reason, **entry) for reason in ("r", "s"))
    seen_loss, loss = (Loss.objects.create(origin="o", reason="r", count=1, until=now, key=key) for key in ("k", "l"))
    Refusal.objects.filter(pk=seen_refusal.pk).mark_seen("ada")
    Loss.objects.filter(pk=seen_loss.pk).mark_seen("ada")
    return {
        "channels": [Position.objects.create(machine="m", journal="j", channel="SLACK", entry_time=now)],
        "failed": [failed],
        "losses": [loss],
        "refused": [refusal],
        "workers": [Machine.objects.create(machine="m", host="shop2", seen_at=now)],
    }


def test_each_opens_what_it_counts(admin: Client) -> None:
    wanted = of_payloads() | of_events()
    found = links(admin)
    assert found.keys() - wanted.keys() == {"disk"} <= WITHOUT.keys()
    assert found["disk"] == ""
    for key, rows in wanted.items():
        address, _, query = found[key].partition("?")
        assert sorted(listed(admin, query, address)) == sorted(row.pk for row in rows), key


def test_each_opens_its_list_where_all_is_well(admin: Client) -> None:
    found = links(admin)
    assert [key for key, address in found.items() if not address] == ["disk"]
    for address in filter(None, found.values()):
        answer = admin.get(address)
        assert (answer.status_code, list(answer.context["cl"].result_list)) == (200, []), address


def test_without_the_database_only_those_without_a_list_lead_nowhere(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.status.now.ask", lambda *_, **__: database.Answer(None, "gone", True))
    found = links(admin)
    assert found.keys() == {"database", "spool", "disk", "workers"}
    assert {key for key, address in found.items() if not address} == WITHOUT.keys()
