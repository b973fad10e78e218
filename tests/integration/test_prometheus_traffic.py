"""A real Prometheus over a real site with traffic: what it counts is what happened, also over restarts and releases."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from notifications.status.metric_families import OF_DATABASE, OF_SERIES
from tests.support.load import post
from tests.support.processes import Name, Site
from tests.support.prometheus import TOOLS, Prometheus
from tests.support.wait import wait_for

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not all(TOOLS), reason="needs prometheus and promtool: sh tests/install-services"),
]
ALL: Final[tuple[Name, ...]] = ("process_raw", "follow_journal", "web")
REQUESTS: Final = "proppy_request_duration_seconds"
KEEP: Final = "from notifications import keep; keep('raises', b'x'); keep('count', b'y')"
FIRES: Final = 'ALERTS{alertname="ProppyErrorsBurnFast",alertstate="firing"}'
FORM: Final = b"name=Ada&email=ada@example.org&text=Hello"
#: What one round of traffic adds.
ADDS: Final = {
    f'{REQUESTS}_count{{method="GET",route="/"}}': 30,
    f'{REQUESTS}_count{{method="GET",route="unknown"}}': 5,
    f'{REQUESTS}_bucket{{method="GET",route="/",le="+Inf"}}': 30,
    'proppy_request_errors_total{method="GET",route="/fails/<int:number>/"}': 6,
    'proppy_request_errors_total{method="GET",route="/"}': 0,
    'proppy_intake_duration_seconds_count{source="contact"}': 12,
    'proppy_intake_bytes_total{source="contact"}': 12 * len(FORM),
    'proppy_refused_posts_total{source="small"}': 4,
    'proppy_handled_total{source="contact"}': 12,
    'proppy_handled_total{source="count"}': 1,
    'proppy_failed_attempts_total{source="raises"}': 3,
    'proppy_handler_duration_seconds_count{source="raises",outcome="failed"}': 3,
}


@pytest.fixture
def busy(site: Site) -> Site:
    site.env["DJANGO_SETTINGS_MODULE"] = "tests.support.quick_series_settings"
    site.migrate()
    return site


@pytest.fixture
def prometheus(busy: Site, tmp_path: Path) -> Iterator[Prometheus]:
    with Prometheus(busy, tmp_path) as prometheus:
        yield prometheus


def start(site: Site, release: str) -> None:
    site.env["RELEASE"] = release
    for name in ALL:
        site.start(name, *(["--workers=2"] if name == "web" else []))


def traffic(site: Site) -> None:
    visitor = site.browse()
    for _ in range(30):
        assert visitor.get("/").status == 200
    for number in range(5):
        assert visitor.get(f"/nothing-here-{number}/").status == 404
    for number in range(6):
        assert visitor.get(f"/fails/{number}/").status == 500
    for _ in range(12):
        assert post(site.port, "/in/contact/", FORM)[0] == 202
    for _ in range(4):
        assert post(site.port, "/in/small/", b"x" * 200)[0] == 413
    site.manage("shell", "-c", KEEP)


def test_counts_are_what_happened_in_all_processes_and_over_restarts(busy: Site, prometheus: Prometheus) -> None:
    for rounds, release in enumerate(("1.4.0", "1.5.0"), start=1):
        start(busy, release)
        prometheus.wait_for_scrapes(1)
        traffic(busy)
        wanted = {expression: count * rounds for expression, count in ADDS.items()}
        wait_until_counted(prometheus, wanted)
        if rounds == 2:  # in the first one all counters were new
            wait_for(lambda: prometheus.query(FIRES), message="the alert of the errors fires")
        for name in reversed(ALL):
            assert busy.terminate(name) == 0
    assert_no_counter_fell(prometheus)
    assert_rates_are_sane(prometheus)
    releases = prometheus.query("last_over_time(proppy_build_info[1h])")
    assert {labels["release"] for labels, _ in releases} == {"1.4.0", "1.5.0"}


def wait_until_counted(prometheus: Prometheus, wanted: dict[str, int]) -> None:
    found: dict[str, float] = {}

    def are_right() -> bool:
        found.update({expression: prometheus.number(expression) for expression in wanted})
        return found == wanted

    with suppress(AssertionError):  # the comparison says more
        wait_for(are_right, timeout=90)
    assert found == wanted


def assert_no_counter_fell(prometheus: Prometheus) -> None:
    known = OF_SERIES | OF_DATABASE
    counters = {name for name in prometheus.names() if name.endswith(("_total", "_bucket", "_count", "_sum"))}
    ours = {name for name in counters if name in known or name.rpartition("_")[0] in known}
    assert len(ours) > 15
    for name in ours:
        assert {value for _, value in prometheus.query(f"resets({name}[1h])")} == {0.0}, name


def assert_rates_are_sane(prometheus: Prometheus) -> None:
    """Over both rounds, each of which took some seconds of an hour."""
    home = f'{REQUESTS}_count{{method="GET",route="/"}}'
    grown = 3600 * prometheus.number(f"rate({home}[1h])")
    assert 30 <= grown <= 75, "60, of which it may have missed the first as the series was new"
    for share in (0.5, 0.99):
        found = prometheus.query(f"histogram_quantile({share}, sum by (le, route) (rate({REQUESTS}_bucket[1h])))")
        times = {labels["route"]: value for labels, value in found}
        assert 0 < times["/"] <= 16.384
    median = f'sum({REQUESTS}_sum{{route="/"}}) / sum({REQUESTS}_count{{route="/"}})'
    last = prometheus.number(f"last_over_time(({median})[1h:1s])")
    assert 0 < last < 16
