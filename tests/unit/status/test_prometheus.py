"""The page /metrics: each metric that the docs name, right whoever answers, and nothing that nobody knows."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest
from django.core.management import get_commands
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from notifications.conf import conf
from notifications.database.fast_sql import table_of
from notifications.models import FailedDelivery, Loss, Position, Refusal, Series
from notifications.models.series import EPOCH, Step
from notifications.status.metric_families import FAMILIES, OF_MACHINE, OF_SERIES, OF_VERDICT
from notifications.utils.histogram import BOUNDS

ROOT: Final = Path(__file__).resolve().parents[3]
BUCKETS: Final = ",".join(["1"] * (len(BOUNDS) + 1))

pytestmark = pytest.mark.django_db


def ever(name: str, label: str, count: int, total: float = 0, buckets: str = "") -> None:
    Series.objects.create(
        step=Step.EVER, start=EPOCH, name=name, label=label, count=count, total=total, buckets=buckets
    )


def lines(client: Client) -> list[str]:
    return client.get("/metrics").text.splitlines()


def names(found: Iterable[str]) -> set[str]:
    """The families that have samples."""
    bare = {re.split("[{ ]", line)[0] for line in found if not line.startswith("#")}
    return {name if name in FAMILIES else re.sub("_(bucket|sum|count)$", "", name) for name in bare}


def values(found: Iterable[str], family: str) -> dict[str, float]:
    """By what is between the braces."""
    each = (re.fullmatch(rf"{family}(?:\{{(.*)\}})? (\S+)", line) for line in found)
    return {match[1] or "": float(match[2]) for match in each if match}


@pytest.fixture
def everything() -> None:
    """Something of each kind."""
    now = timezone.now()
    where = {"machine": "m", "journal": "memory://"}
    Position.objects.create(channel="SLACK", waiting=3, problem="Slack is down", **where)
    FailedDelivery.objects.create(channel="SLACK", event_time=now, text="x", reason="y")
    Loss.objects.create(origin="o", reason="r", count=300, key="1", until=now)
    Refusal.objects.create(reason="r", name="SLAK", author="uid 0", count=4, since=now, until=now, **where)
    for name, label in (("requests", "GET /"), ("received", "demo"), ("handled", "demo"), ("failed", "demo")):
        ever(name, label, len(BOUNDS) + 1, 1500.0, BUCKETS)


@pytest.mark.usefixtures("everything")
def test_each_metric_that_is_known_is_there_with_help_and_type(client: Client) -> None:
    text = client.get("/metrics").text
    assert list(re.findall(r"^# HELP (\w+) ", text, re.MULTILINE)) == list(FAMILIES)
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert kinds == {name: family.kind for name, family in FAMILIES.items()}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for each in family.samples for label in each.labels} - {"le"}
        assert labels == set(FAMILIES[name].labels), name
    assert client.get("/metrics").headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.usefixtures("everything")
def test_without_the_database_what_it_alone_knows_is_left_out_not_zero(client: Client) -> None:
    with patch("notifications.status.database.answers", side_effect=OperationalError):
        found = names(lines(client))
    assert found == OF_MACHINE.keys() | OF_VERDICT.keys()


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("error", [OperationalError("the line was cut"), OSError(110, "timed out")])
def test_counters_that_do_not_come_in_time_are_left_out_alone(client: Client, error: Exception) -> None:
    with patch.object(Series.objects, "ever", side_effect=error):
        found = names(lines(client))
    assert found == FAMILIES.keys() - OF_SERIES.keys()


@pytest.mark.usefixtures("everything")
def test_all_counters_cost_one_query(client: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        client.get("/metrics")
    assert sum(table_of(Series) in query["sql"] for query in queries) == 1


def test_what_was_counted_since_ever(client: Client) -> None:
    ever("requests", "", 9, 9000)
    ever("requests", "GET /photos/<int:id>/", 4, 1234.5, "0,1,1,2")
    ever("requests", "POST unknown", 1, 0.5, "1")
    ever("requests", "other", 4, 20, "")
    ever("errors", "GET /photos/<int:id>/", 2)
    ever("received", "demo", 3, 4096.0, "3")
    ever("refused", "demo", 5)
    ever("handled", "demo", 2, 40, "0,0,0,0,0,0,0,0,2")
    ever("failed", "gone", 1, 1, "1")
    for label in ("", "SLACK"):
        ever("delivered", label, 7)
    ever("dropped", "", 6)
    ever("waiting", "demo", 11)
    ever("of a later release", "", 1)
    found = lines(client)
    requests = "proppy_request_duration_seconds"
    assert values(found, f"{requests}_count") == {
        'method="GET",route="/photos/<int:id>/"': 4,
        'method="POST",route="unknown"': 1,
        'method="",route="other"': 4,
    }
    assert values(found, f"{requests}_sum")['method="GET",route="/photos/<int:id>/"'] == 1.2345
    photos = {le: value for le, value in values(found, f"{requests}_bucket").items() if "photos" in le}
    assert list(photos.values()) == [0, 2, *[4] * 14]
    assert values(found, "proppy_request_errors_total") == {
        'method="GET",route="/photos/<int:id>/"': 2,
        'method="POST",route="unknown"': 0,
        'method="",route="other"': 0,
    }
    assert values(found, "proppy_intake_duration_seconds_count") == {'source="demo"': 3}
    assert values(found, "proppy_intake_duration_seconds_sum") == {}, "the total has bytes"
    assert values(found, "proppy_intake_bytes_total") == {'source="demo"': 4096}
    assert values(found, "proppy_handler_duration_seconds_count") == {
        'source="gone",outcome="failed"': 1,
        'source="demo",outcome="handled"': 2,
    }
    assert values(found, "proppy_refused_posts_total")['source="demo"'] == 5
    assert values(found, "proppy_handled_total").items() >= {('source="demo"', 2), ('source="gone"', 0)}
    assert values(found, "proppy_failed_attempts_total").items() >= {('source="demo"', 0), ('source="gone"', 1)}
    assert 'channel=""' not in values(found, "proppy_delivered_events_total")
    assert values(found, "proppy_delivered_events_total")['channel="SLACK"'] == 7
    assert values(found, "proppy_dropped_events_total") == {"": 6}
    assert not [line for line in found if "waiting" in line and "demo" in line]


def test_a_counter_is_there_before_its_first_count(client: Client) -> None:
    """Prometheus would take what is counted until it first sees it for its beginning, and show no growth."""
    found = lines(client)
    for family in ("proppy_handled_total", "proppy_failed_attempts_total"):
        assert values(found, family) == {f'source="{name}"': 0 for name in sorted(conf.sources)}
    assert values(found, "proppy_refused_posts_total") == {
        f'source="{name}"': 0 for name, source in conf.sources.items() if source.http
    }
    assert values(found, "proppy_delivered_events_total") == {f'channel="{name}"': 0 for name in conf.channels}
    assert values(found, "proppy_dropped_events_total") == {"": 0}


def test_hostile_names_stay_labels(client: Client) -> None:
    """One that the format cannot read would hide the whole page from Prometheus."""
    hostile = 'a"} 1\nproppy_database_up 0\n\\u001b\x1b[2J\t\u202e'
    ever("requests", f"GET /{hostile}/", 1, 1, "1")
    ever("handled", hostile, 1, 1, "1")
    FailedDelivery.objects.create(channel=hostile, event_time=timezone.now(), text="x", reason="y")
    text = client.get("/metrics").text
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    shown = hostile.replace("\x1b", "\ufffd").replace("\t", "\ufffd").replace("\u202e", "\ufffd")
    assert {each.labels["channel"] for each in samples if each.name == "proppy_failed_deliveries"} >= {shown}
    assert [each.value for each in samples if each.name == "proppy_database_up"] == [1]
    assert {each.labels["route"] for each in samples if "route" in each.labels} == {f"/{shown}/"}
    assert not set(text) & set("\x1b\t\r\u202e")


@override_settings(NOTIFICATIONS_RELEASE='1.4 "beta"')
def test_the_release_that_answers(client: Client) -> None:
    assert 'proppy_build_info{release="1.4 \\"beta\\""} 1' in lines(client)


def test_the_page_of_the_documents_has_each_metric_as_it_is() -> None:
    """Where a row is missing or wrong: the right ones are in the message."""
    text = (ROOT / "docs" / "metrics.md").read_text()
    rows = {
        f"| `{name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels) or '-'} | {each.help} |"
        for name, each in FAMILIES.items()
    }
    assert set(re.findall(r"^\| `proppy_.*$", text, re.MULTILINE)) == rows
    named = set(re.findall(r"\bproppy_[a-z_]+\b", text)) - set(get_commands())
    assert {name for name in named if not names([name]) <= FAMILIES.keys()} == set()
