"""Prometheus itself: its tools read what is deployed, and it scrapes a real site over a restart."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from notifications.models import FailedDelivery, Loss, Position, Refusal, Series
from notifications.models.series import EPOCH, Step
from notifications.status.metric_families import FAMILIES
from notifications.utils.histogram import BOUNDS
from tests.support.child import BASE_DIR
from tests.support.database import use_database
from tests.support.processes import Site
from tests.support.prometheus import JOB, RULES, TOOLS, Prometheus
from tests.support.wait import wait_for

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not all(TOOLS), reason="needs prometheus and promtool: sh tests/install-services"),
]
DASHBOARD: Final = BASE_DIR / "deploy" / "grafana" / "proppy.json"
HOSTILE: Final = 'a"} 1\nproppy_database_up 0\n\\u001b\x1b[2J\t\\'


def promtool(*arguments: str | Path, given: str = "") -> str:
    """What it prints. AssertionError if it finds anything wrong."""
    command = ["promtool", *map(str, arguments)]
    done = subprocess.run(command, input=given, cwd=RULES.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_takes_the_rules_and_their_tests_hold() -> None:
    promtool("check", "rules", "--lint-fatal", RULES)
    promtool("test", "rules", RULES.with_name("proppy.rules.test.yml"))


def test_each_alert_is_tested_both_firing_and_not() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
    tests = RULES.with_name("proppy.rules.test.yml").read_text()
    assert set(re.findall(r"^ +alertname: (\w+)$", tests, re.MULTILINE)) == alerts
    assert set(re.findall(r"alertname: (\w+)\}", tests)) == alerts


def test_promtool_takes_the_example_of_a_configuration(tmp_path: Path) -> None:
    token = tmp_path / "proppy.token"
    token.write_text("s3cret")
    config = RULES.with_name("prometheus.yml").read_text().replace("/etc/prometheus/proppy.token", str(token))
    (tmp_path / "prometheus.yml").write_text(config)
    (tmp_path / RULES.name).write_text(RULES.read_text())
    assert "1 rule files found" in promtool("check", "config", tmp_path / "prometheus.yml")


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[Site]:
    """A site that has something of each kind; its database is the default one meanwhile."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "state").mkdir(mode=0o700)
    site = Site(folder)
    site.env["RELEASE"] = "1.4.0"
    (folder / "state" / "proppy.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    with django_db_blocker.unblock(), use_database(site.env["DATABASE_URL"]):
        _fill()
        site.start("web")
        yield site
    site.stop()


def _fill() -> None:
    now = timezone.now()
    where = {"machine": "m", "journal": "memory://"}
    Position.objects.create(channel=HOSTILE, waiting=3, problem="Slack is down", **where)
    FailedDelivery.objects.create(channel="SLACK", event_time=now, text="x", reason="y")
    Loss.objects.create(origin="o", reason="r", count=300, key="1", until=now)
    Refusal.objects.create(reason="r", name="SLAK", author="uid 0", count=4, since=now, until=now, **where)
    for name in ("requests", "errors", "received", "refused", "handled", "failed", "delivered"):
        for label in ("GET /", f"GET /{HOSTILE}"):
            Series.objects.create(name=name, label=label, step=Step.EVER, start=EPOCH)
    _count()


def _count() -> None:
    """Each series grows."""
    for row in Series.objects.filter(step=Step.EVER):
        number = row.count // (len(BOUNDS) + 1) + 1
        row.count, row.total = number * (len(BOUNDS) + 1), number * 1500.0
        row.buckets = ",".join([str(number)] * (len(BOUNDS) + 1))
        row.save()


def test_promtool_finds_nothing_wrong_with_the_page(filled: Site) -> None:
    assert promtool("check", "metrics", given=filled.browse().get("/metrics").text) == ""


def expressions(node: Any) -> Iterator[str]:
    """All queries of a dashboard."""
    if isinstance(node, dict):
        yield from (node[name] for name in ("expr",) if name in node)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from expressions(child)


QUERIES: Final = list(expressions(json.loads(DASHBOARD.read_text())))


@pytest.fixture(scope="module")
def scraped(filled: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It has seen the counters of that site grow."""
    with Prometheus(filled, tmp_path_factory.mktemp("prometheus")) as prometheus:
        prometheus.wait_for_scrapes()
        _count()
        prometheus.wait_for_scrapes()
        yield prometheus


def test_it_has_all_that_is_documented(scraped: Prometheus) -> None:
    ends = ("_bucket", "_sum", "_count")
    wanted = {name + end for name, each in FAMILIES.items() for end in (ends if each.kind == "histogram" else ("",))}
    wanted.remove("proppy_intake_duration_seconds_sum")  # its total has bytes
    assert {name for name in scraped.names() if name.startswith("proppy_")} == wanted
    assert {labels["route"] for labels, _ in scraped.query("proppy_request_errors_total")} > {
        "/" + HOSTILE.replace("\x1b", "\ufffd").replace("\t", "\ufffd")
    }


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_of_the_dashboard_shows_something(scraped: Prometheus, query: str) -> None:
    """What takes hours is asked of the minute that there is."""
    query = re.sub(r"\[\w+:\w+\]", "[1m:1s]", query)
    found = scraped.query(query.replace("$job", JOB).replace("$__rate_interval", "1m"))
    assert found
    assert not [value for _, value in found if value != value], "a division by nothing"


def test_the_rules_are_evaluated(scraped: Prometheus) -> None:
    wait_for(lambda: scraped.query("job:proppy_request_errors:sum"), message="a recording rule")
    wait_for(lambda: scraped.query('ALERTS{alertname="ProppyCritical"}'), message="an alert: events were lost")
