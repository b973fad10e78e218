import os
import time
import uuid
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client, override_settings
from django.utils import timezone

from notifications import keep
from notifications.journal import MemoryJournal
from notifications.models import FailedDelivery, Loss, Position, Refusal
from notifications.store.database_breaker import breaker

pytestmark = pytest.mark.django_db


def test_healthz_says_ok_to_everybody_and_asks_nobody(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz", REMOTE_ADDR="203.0.113.9")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_only_this_machine_or_who_has_the_token_is_told_more(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200
    for address in ("::1", "::ffff:127.0.0.1"):  # the latter on a socket for both families
        assert client.get(path, REMOTE_ADDR=address).status_code == 200
    assert client.get(path, REMOTE_ADDR="203.0.113.9").status_code == 404
    assert client.get(path, REMOTE_ADDR="").status_code == 404
    # A proxy on this machine that nobody has declared trusted speaks for somebody else.
    assert client.get(path, headers={"x-forwarded-for": "203.0.113.9"}).status_code == 404
    with override_settings(NOTIFICATIONS_TRUSTED_PROXIES=["127.0.0.1"]):
        assert client.get(path, headers={"x-forwarded-for": "203.0.113.9"}).status_code == 404
    bearer = {"authorization": "Bearer s3cret"}
    assert client.get(path, headers=bearer, REMOTE_ADDR="203.0.113.9").status_code == 404
    with override_settings(NOTIFICATIONS_STATUS_TOKEN="s3cret"):
        assert client.get(path, headers=bearer, REMOTE_ADDR="203.0.113.9").status_code == 200
        assert client.get(path, headers={"authorization": "Bearer \xff"}, REMOTE_ADDR="203.0.113.9").status_code == 404
        assert client.get(path, REMOTE_ADDR="203.0.113.9").status_code == 404


def test_a_balancer_may_ask_by_address(client: Client) -> None:
    assert client.get("/healthz", headers={"host": "10.0.0.5"}).status_code == 200
    assert client.get("/", headers={"host": "10.0.0.5"}).status_code == 400


def test_a_proxy_of_this_machine_that_is_not_listed_is_not_this_machine(client: Client) -> None:
    with override_settings(NOTIFICATIONS_TRUSTED_PROXIES=["10.0.0.1"]):
        assert client.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 404


def test_ready_as_long_as_one_of_database_and_spool_stores(client: Client, tmp_path: Any) -> None:
    assert client.get("/readyz").content == b"database ok\nspool ok\n"
    with patch("notifications.health.execute", side_effect=OperationalError):
        assert client.get("/readyz").status_code == 200
        with patch("notifications.health.os.access", return_value=False):
            assert client.get("/readyz").status_code == 503


def test_metrics_count_what_waits(client: Client) -> None:
    keep("demo", b"x")
    Position.objects.create(machine="m", journal="memory://", channel="SLACK")
    text = client.get("/metrics").text
    assert 'proppy_payloads{state="received"} 1\n' in text
    assert "proppy_database_up 1\n" in text
    assert 'proppy_channel_lag_seconds{channel="SLACK",journal="memory://",machine="m"} 0.000\n' in text


def test_metrics_of_the_tell_lane(client: Client) -> None:
    now = timezone.now()
    where = {"machine": "m", "journal": "memory://"}
    Position.objects.create(channel="SLACK", waiting=3, **where)
    Position.objects.create(channel="REPORT", **where)
    for channel, again_at in (("SLACK", None), ("SLACK", now), ('OLD"\\\n', None)):
        FailedDelivery.objects.create(channel=channel, event_time=now, text="x", reason="y", again_at=again_at)
    for key, count in (("1", 300), ("2", 12), ("3", None)):
        Loss.objects.create(origin="o", reason="r", count=count, key=key, until=now)
    for name, count in (("SLAK", 4), ("SLAC", 5)):
        Refusal.objects.create(reason="r", name=name, author="uid 0", count=count, since=now, until=now, **where)

    with patch.object(MemoryJournal, "open", side_effect=AssertionError("/metrics reads no journal")):
        lines = client.get("/metrics").text.splitlines()

    assert 'proppy_channel_waiting{channel="SLACK",journal="memory://",machine="m"} 3' in lines
    assert 'proppy_channel_waiting{channel="REPORT",journal="memory://",machine="m"} 0' in lines
    assert {line for line in lines if line.startswith("proppy_failed_deliveries")} == {
        'proppy_failed_deliveries{channel="SLACK"} 2',
        'proppy_failed_deliveries{channel="REPORT"} 0',
        'proppy_failed_deliveries{channel="OLD\\"\\\\\\n"} 1',
        "proppy_failed_deliveries_to_send_again 1",
    }
    assert "proppy_losses 3" in lines
    assert "proppy_lost_events_total 312" in lines
    assert "proppy_refused_entries_total 9" in lines


def test_metrics_of_the_spool(client: Client, state_dir: Path) -> None:
    breaker.open()
    (state_dir / "spool").mkdir()
    spooled = state_dir / "spool" / uuid.uuid4().hex
    spooled.write_bytes(b"12345")
    os.utime(spooled, (time.time() - 90, time.time() - 90))
    lines = client.get("/metrics").text.splitlines()
    assert {
        "proppy_spool_files 1",
        "proppy_spool_set_aside_files 0",
        "proppy_spool_bytes 5",
        f"proppy_spool_max_bytes {1 << 30}",
        "proppy_breaker_open 1",
        "proppy_disk_low 0",
    } <= set(lines)
    (oldest,) = [float(line.split()[1]) for line in lines if line.startswith("proppy_spool_oldest_seconds ")]
    assert 90 <= oldest < 120


def test_metrics_without_a_database(client: Client) -> None:
    with patch("notifications.status.database.answers", side_effect=OperationalError):
        text = client.get("/metrics").text
    assert "proppy_database_up 0\n" in text
    assert "proppy_spool_files 0\n" in text
