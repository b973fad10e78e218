"""What each tile says, and the list that it opens."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.template import Context, Template
from django.test import RequestFactory

from notifications import keep
from notifications.admin.status.links import Links
from notifications.admin.status.tile import Mood, Tile
from notifications.admin.status.tiles import tiles
from notifications.models import FailedDelivery, FailureGroup, Loss, Machine, Position, Refusal, State
from notifications.positions.key import Key, machine_id
from notifications.positions.lock import Lock
from notifications.status import database
from notifications.status.since import since
from notifications.status.verdict import verdict
from notifications.store.spool import spool
from notifications.utils.times import utc_now
from notifications.workers.heartbeat import Heartbeat
from tests.support.admin import group, payload

pytestmark = pytest.mark.django_db

ADMIN: Final = "/admin/notifications"
KEYS: Final = {
    *("waiting", "dead", "quarantined", "channels", "failed", "losses", "refused", "spool", "disk", "workers"),
}


@pytest.fixture(autouse=True)
def workers(settings: Any, tmp_path: Path) -> Iterator[list[Heartbeat]]:
    """Both turn."""
    settings.NOTIFICATIONS_STATE_DIR = tmp_path
    hearts = [Heartbeat("process_raw"), Heartbeat("follow_journal")]
    yield hearts
    for heart in hearts:
        heart.close()


def found() -> dict[str, Tile]:
    request = RequestFactory().get("/")
    request.user, _ = User.objects.get_or_create(username="root", is_superuser=True, is_staff=True)
    return {tile.key: tile for tile in tiles(verdict(whole=True), Links(request))}


def position(channel: str = "SLACK", **columns: Any) -> Position:
    now = utc_now()
    defaults = {"machine": machine_id(), "journal": "memory://", "entry_time": now, "delivered_at": now}
    return Position.objects.create(channel=channel, **defaults | columns)


def test_all_is_well() -> None:
    position()
    assert found().keys() == KEYS
    assert {tile.mood for tile in found().values()} == {Mood.FINE}
    assert {key: tile.state for key, tile in found().items() if key != "disk"} == {
        "waiting": "nothing waits",
        "dead": "none",
        "quarantined": "none",
        "channels": "all deliver",
        "failed": "none",
        "losses": "nothing was lost",
        "refused": "none",
        "spool": "empty",
        "workers": "all run",
    }


def test_channels_that_nobody_follows_do_not_deliver(workers: list[Heartbeat]) -> None:
    position()
    position("OPS", machine="another")
    Machine.objects.create(machine="another", host="b", seen_at=utc_now())
    workers[1].close()
    tile = found()["channels"]
    assert (tile.state, tile.mood, tile.facts) == ("1 not followed", Mood.WARNING, ["1 of 2 deliver"])


def test_who_may_not_enter_the_site_sees_no_tile() -> None:
    request = RequestFactory().get("/")
    request.user = User.objects.create(username="root", is_superuser=True, is_staff=False)
    shown = Template("{% load notifications_status %}{% status_tiles %}").render(Context({"request": request}))
    assert not shown.strip()


def test_before_a_follower_has_ever_run_nothing_of_events_is_known() -> None:
    events = [found()[key] for key in ("channels", "failed", "losses", "refused")]
    assert {(tile.state, tile.mood) for tile in events} == {("not known yet", Mood.UNKNOWN)}
    FailedDelivery.objects.create(channel="SLACK", event_time=utc_now(), text="", reason="")
    assert found()["failed"].state == "1 given up"


def test_what_waits_and_since_when() -> None:
    then = utc_now() - timedelta(minutes=12)
    for state in (State.RECEIVED, State.RETRYING):
        payload(state=state, next_attempt_at=then)
    tile = found()["waiting"]
    assert (tile.state, tile.mood) == ("2 payloads wait", Mood.WARNING)
    assert tile.facts == [f"oldest {since(then)}, too long", "1 new, 1 to be retried"]
    assert tile.href == f"{ADMIN}/rawpayload/?state=received"


def test_what_waits_a_moment_is_no_reason_to_look() -> None:
    keep("demo", b"x")
    tile = found()["waiting"]
    assert (tile.state, tile.mood, tile.facts) == ("1 payload waits", Mood.FINE, ["1 new"])


def test_what_nobody_works_off_is_one(workers: list[Heartbeat]) -> None:
    keep("demo", b"x")
    workers[0].close()
    assert found()["waiting"].mood == Mood.WARNING


def test_a_long_queue_is_not_counted_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "COUNTED", 2)
    for _ in range(3):
        keep("demo", b"x")
    assert found()["waiting"].state == "at least 2 payloads wait"


def test_dead_ones_but_for_those_of_muted_groups() -> None:
    muted = group("muted", state=FailureGroup.State.MUTED, muted_until=utc_now() + timedelta(days=1))
    payload(state=State.DEAD, next_attempt_at=None, failure=muted)
    tile = found()["dead"]
    assert (tile.state, tile.mood, tile.facts) == ("1 dead", Mood.FINE, ["1 of muted or resolved failure groups"])
    payload(state=State.DEAD, next_attempt_at=None)
    tile = found()["dead"]
    assert (tile.state, tile.mood, tile.href) == ("2 dead", Mood.WARNING, f"{ADMIN}/rawpayload/?state=dead")


def test_quarantine() -> None:
    payload(state=State.QUARANTINED, next_attempt_at=None)
    tile = found()["quarantined"]
    assert (tile.state, tile.href) == ("1 in quarantine", f"{ADMIN}/rawpayload/?state=quarantined")


def test_a_channel_that_is_blocked_is_named_with_what_it_holds() -> None:
    position("REPORT")
    then = utc_now() - timedelta(minutes=28)
    soon = utc_now() + timedelta(minutes=2, seconds=30)
    position(waiting=60, problem="503", problem_since=then, next_attempt_at=soon)
    with closing(Lock(Key(machine_id(), "memory://", "SLACK"))):
        tile = found()["channels"]
    assert (tile.state, tile.mood, tile.href) == ("1 blocked", Mood.WARNING, f"{ADMIN}/position/")
    assert tile.facts == [
        f"SLACK is blocked {since(then)}; holds 60 events; next try in 2 min",
        "1 of 2 deliver",
    ]


def test_a_channel_that_nobody_follows() -> None:
    position(waiting=1)
    assert found()["channels"].state == "1 stopped"


def test_channels_of_the_engine_are_none_unless_they_are_blocked() -> None:
    position("LOST")
    with closing(Lock(Key(machine_id(), "memory://", "LOST"))):
        assert found()["channels"].state == "none yet"
        Position.objects.update(problem="503", waiting=1, problem_since=utc_now())
        assert found()["channels"].state == "1 retrying"


def test_failed_deliveries_name_the_channels_of_those_that_are_left() -> None:
    for channel, again_at in (("SLACK", utc_now()), ("OPS", None)):
        position(channel)
        FailedDelivery.objects.create(channel=channel, event_time=utc_now(), text="x", reason="y", again_at=again_at)
    assert found()["failed"].facts == ["OPS", "1 to be sent again"]
    (problem,) = [each for each in verdict().problems if each.name == "deliveries-failed"]
    assert problem.text == "1 delivery was given up (OPS)"


def test_failed_deliveries_but_for_those_on_their_way() -> None:
    for again_at in (None, utc_now()):
        FailedDelivery.objects.create(channel="SLACK", event_time=utc_now(), text="", reason="", again_at=again_at)
    tile = found()["failed"]
    assert (tile.state, tile.href) == ("1 given up", f"{ADMIN}/faileddelivery/?again=no")
    assert tile.facts == ["SLACK", "1 to be sent again"]


@pytest.mark.parametrize(
    ("age", "count", "state", "mood"),
    [
        (timedelta(minutes=3), 17, "17 events lost", Mood.CRITICAL),
        (timedelta(hours=2), 1, "1 event lost", Mood.WARNING),
        (timedelta(days=8), None, "events were lost", Mood.FINE),
    ],
)
def test_losses(age: timedelta, count: int | None, state: str, mood: Mood) -> None:
    loss = Loss.objects.create(origin="o", reason="r", count=count, until=utc_now() - age, key=uuid.uuid4().hex)
    tile = found()["losses"]
    assert (tile.state, tile.mood, tile.href) == (state, mood, f"{ADMIN}/loss/?seen=no")
    Loss.objects.filter(pk=loss.pk).update(seen_at=utc_now())
    tile = found()["losses"]
    assert (tile.state, tile.mood, tile.href) == ("none is news", Mood.FINE, f"{ADMIN}/loss/")


def test_refused_entries() -> None:
    now = utc_now()
    Refusal.objects.create(machine="m", journal="j", reason="r", author="a", count=1234, since=now, until=now)
    tile = found()["refused"]
    assert (tile.state, tile.mood, tile.href) == ("1,234 refused", Mood.WARNING, f"{ADMIN}/refusal/?seen=no")


def test_a_full_spool(settings: Any) -> None:
    settings.NOTIFICATIONS_SPOOL_MAX_BYTES = 1024
    folder = spool().folder
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / uuid.uuid4().hex).write_bytes(b"x" * 1000)
    tile = found()["spool"]
    assert (tile.state, tile.mood) == ("nearly full", Mood.WARNING)
    assert tile.facts == ["1 kB of 1 kB", "1 file waits"]


def test_workers_that_do_not_turn(workers: list[Heartbeat]) -> None:
    workers[0].close()
    Machine.objects.create(machine="other", host="shop2", seen_at=utc_now() - timedelta(hours=1))
    tile = found()["workers"]
    assert (tile.state, tile.mood, tile.href) == ("not all run", Mood.WARNING, f"{ADMIN}/machine/")
    assert tile.facts == ["1 follow_journal", "no process_raw runs", "1 other machine", "1 of them silent"]


def test_without_the_database_there_are_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.status.now.ask", lambda *_, **__: database.Answer(None, "gone\u202e", True))
    assert [*found()] == ["database", "spool", "disk", "workers"]
    assert found()["database"].facts == ["gone\\u202e"]
