"""Prometheus itself: its tools read what is deployed, and it scrapes a real site over a restart."""

import json
import math
import re
import shutil
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
from tests.support.prometheus import JOB, RULES, TOOLS, Prometheus, Result
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


@pytest.fixture
def filled(site: Site, migrated_sqlite: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """A site that has something of each kind; its database is the default one meanwhile."""
    site.env["RELEASE"] = "1.4.0"
    shutil.copy(migrated_sqlite, site.env["DATABASE_URL"].removeprefix("sqlite:///"))
    with django_db_blocker.unblock(), use_database(site.env["DATABASE_URL"]):
        _fill()
        site.start("web")
        yield site


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


@pytest.fixture
def scraped(filled: Site, tmp_path: Path) -> Iterator[Prometheus]:
    """It has seen the counters of that site grow."""
    with Prometheus(filled, tmp_path) as prometheus:
        prometheus.wait_for_scrapes()
        _count()
        prometheus.wait_for_scrapes()
        yield prometheus


def test_page_dashboard_documents_and_rules_fit_together(filled: Site, scraped: Prometheus) -> None:
    """In one test: its fixtures take ten seconds."""
    assert promtool("check", "metrics", given=filled.browse().get("/metrics").text) == ""
    assert_all_that_is_documented_is_there(scraped)
    board, documents = json.loads(DASHBOARD.read_text()), (BASE_DIR / "docs" / "metrics.md").read_text()
    queries = [*expressions(board), *re.findall(r"^    (\S.*(?:\n     .*)*)", documents, re.MULTILINE)]
    assert len(queries) >= 35
    for query in queries:
        values = [value for _, value in shown(scraped, query)]
        assert not any(map(math.isnan, values)), f"{query}: a division by nothing"
    shown(scraped, "job:proppy_request_errors:sum")
    shown(scraped, 'ALERTS{alertname="ProppyCritical"}')  # events were lost


def assert_all_that_is_documented_is_there(scraped: Prometheus) -> None:
    ends = ("_bucket", "_sum", "_count")
    wanted = {name + end for name, each in FAMILIES.items() for end in (ends if each.kind == "histogram" else ("",))}
    wanted.remove("proppy_intake_duration_seconds_sum")  # its total has bytes
    assert {name for name in scraped.names() if name.startswith("proppy_")} == wanted
    routes = {labels["route"] for labels, _ in shown(scraped, "proppy_request_errors_total")}
    assert "/" + HOSTILE.replace("\x1b", "\ufffd").replace("\t", "\ufffd") in routes


def expressions(node: Any) -> Iterator[str]:
    """All queries of a dashboard."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and "expr" in node:
        yield node["expr"]
    for child in children:
        yield from expressions(child)


def shown(scraped: Prometheus, query: str) -> Result:
    """What it shows, if not at once: on a busy machine a scrape may fail. What asks for days is asked of minutes."""
    query = re.sub(r"\[\w+:\w+\]", "[10m:1s]", query).replace("$job", JOB).replace("$__rate_interval", "10m")
    return wait_for(lambda: scraped.query(query), message=query)
