"""The status page: who sees what of it, what it costs, and that nothing in it is markup of others."""

import re
from datetime import timedelta
from typing import Any, Final
from unittest.mock import patch

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import clear_script_prefix, path, set_script_prefix
from django.utils import timezone, translation

from notifications.admin import RawPayloadAdmin, StatusAdmin
from notifications.admin.status.markup import unbroken
from notifications.models import FailedDelivery, Loss, Position, RawPayload, Series, State, Status
from notifications.models.series import Step
from notifications.utils.times import utc_now
from tests.support.admin import EVIL, everything, payload, staff
from tests.support.shop_series import Shop, fill_series

pytestmark = pytest.mark.django_db

STATUS: Final = "/admin/notifications/status/"
other_site: Final = AdminSite(name="other")
other_site.register(Status, StatusAdmin)
other_site.register(RawPayload, RawPayloadAdmin)
urlpatterns = [path("other/", other_site.urls)]


def get(client: Client, query: str = "", address: str = STATUS) -> str:
    answer = client.get(f"{address}?{query}")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("period", ["hour", "day", "month", "", "x"])
def test_with_nothing_counted(admin: Client, period: str) -> None:
    page = get(admin, f"period={period}")
    assert "No requests" in page
    assert "Nothing was counted in this time" in page
    assert "chart-plot" not in page
    assert "None in this time" not in page, "nobody knows: perhaps events were lost"
    assert page.count("Nothing was measured in this time: ") == 3, "a line for each group"
    assert "<strong>New here:</strong>" in page


def test_who_has_a_worker_is_not_new(admin: Client) -> None:
    Position.objects.create(machine="m", journal="j", channel="SLACK")
    assert "New here" not in get(admin)


def test_no_line_ends_within_an_option(admin: Client) -> None:
    assert unbroken("more of them, or --threads <5") == ('more of them, or <span class="option">--threads</span> &lt;5')


@pytest.mark.parametrize("period", ["hour", "day", "month"])
def test_with_one_point(admin: Client, period: str) -> None:
    fill_series(2)
    page = get(admin, f"period={period}")
    assert "GET /photos/" in page
    assert page.count("chart-plot") >= 8


def test_no_two_elements_have_the_same_id(admin: Client) -> None:
    fill_series(120, shop=Shop(release=30))
    ids = re.findall(r' id="([^"]*)"', get(admin, "period=hour"))
    assert len(ids) == len(set(ids)) > 60
    assert "" not in ids


def test_all_charts_have_the_marks_of_releases(admin: Client) -> None:
    fill_series(120, shop=Shop(release=30))
    page = get(admin, "period=hour")
    assert page.count('class="mark-name"') == page.count("chart-plot") > 10


def test_what_counted_nothing_is_none_where_anything_was_counted(admin: Client) -> None:
    fill_series(20, shop=Shop(lost=None))
    assert re.search(r'>None in this time: .*id="chart-lost".*\.</p>', get(admin, "period=hour"))


def test_it_says_since_when_nothing_is_counted(admin: Client) -> None:
    end = fill_series(20, until=utc_now() - timedelta(minutes=30))
    assert f"Nothing was counted since {end:%H:%M}" in get(admin, "period=hour")


@pytest.mark.parametrize("period", ["hour", "day", "month"])
def test_it_says_since_when_nobody_measures_what_waits(admin: Client, period: str) -> None:
    """As while a follow_journal runs and no process_raw does."""
    end = timezone.localtime(fill_series(20, until=utc_now() - timedelta(minutes=7)))
    minute = Step.MINUTE.start_of(utc_now()) - timedelta(minutes=1)
    Series.objects.create(step=Step.MINUTE, start=minute, name="releases", label="", count=1)
    page = get(admin, f"period={period}")
    assert len(re.findall(rf"not measured since [\w, ]*{end:%H:%M}: no process_raw runs", page)) >= 2


def test_while_the_database_of_the_engine_is_away_the_verdict_is_there(admin: Client) -> None:
    """Users and sessions may be in another one."""

    def fail(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if "notifications_" in sql or sql == "SELECT 1":
            raise OperationalError("gone away")
        return execute(sql, params, many, context)

    admin.raise_request_exception = False
    with connection.execute_wrapper(fail):
        page = get(admin)
        assert admin.get(STATUS, {"part": "figures"}).status_code == 503
    assert "gone away" in page
    assert "What was counted cannot be read." in page
    assert "No request" not in page
    assert page.count("data-part=") == 7


def test_its_address_has_two_names(admin: Client) -> None:
    index = get(admin, address="/admin/")
    assert f'href="{STATUS}">Status</a>' in index
    assert f'<li><a href="{STATUS}">Status</a></li>' in get(admin, address="/admin/notifications/rawpayload/")


def test_only_staff_with_the_permission_see_it(client: Client) -> None:
    assert client.get(STATUS).status_code == 302
    client.force_login(User.objects.create_user("visitor"))
    assert client.get(STATUS).status_code == 302
    ours = staff("view_rawpayload")
    assert ours.get(STATUS).status_code == 403
    assert ours.get(f"{STATUS}?part=now").status_code == 403
    assert ours.post(STATUS).status_code == 405
    assert STATUS not in get(ours, address="/admin/notifications/rawpayload/")
    assert 'class="tiles"' not in get(ours, address="/admin/")


def test_nothing_leads_to_a_list_that_somebody_may_not_see() -> None:
    payload(state=State.DEAD, next_attempt_at=None)
    Loss.objects.create(origin="o", reason="r", key="k", until=utc_now())
    fill_series(5)
    page = get(staff("view_status", "view_loss"), "period=hour")
    assert 'id="tile-losses"' in page
    assert '"/admin/notifications/loss/"' in page
    assert 'id="tile-dead"' not in page
    assert "/admin/notifications/rawpayload/" not in page
    assert "/admin/notifications/failuregroup/" not in page


@pytest.mark.parametrize("part", ["now", "figures", "routes"])
@pytest.mark.parametrize("period", ["hour", "day", "month"])
def test_a_refresh_is_one_query_beside_session_and_user(admin: Client, part: str, period: str) -> None:
    fill_series(3)
    get(admin)
    asked = patch("notifications.status.database.answers", side_effect=AssertionError("a query past Django's cursor"))
    with asked, CaptureQueriesContext(connection) as captured:
        found = get(admin, f"part={part}&period={period}")
    of_django = [query for query in captured if "django_session" in query["sql"] or "auth_user" in query["sql"]]
    assert (len(of_django), len(captured)) == (2, 3)
    assert "<body" not in found


def test_no_query_counts_payloads_or_reads_all_series(admin: Client) -> None:
    payload()
    fill_series(3)
    with CaptureQueriesContext(connection) as captured:
        get(admin, "period=month")
    for query in (each["sql"] for each in captured):
        if "notifications_rawpayload" in query and "COUNT(" in query:
            assert "LIMIT" in query
        if "notifications_series" in query:
            assert "start >=" in query or '"start" >=' in query


def test_a_part_is_what_the_page_has(admin: Client) -> None:
    fill_series(10)
    page = get(admin, "period=hour")
    for part, pieces in {
        "now": ["now"],
        "figures": ["rates", "requests", "others"],
        "routes": ["times", "releases", "routes"],
    }.items():
        found = get(admin, f"period=hour&part={part}")
        for piece in pieces:
            assert f'<div id="{piece}">' in found
            assert f'<div id="{piece}" data-part="{part}"' in page


def test_names_of_others_are_text(admin: Client) -> None:
    everything()
    fill_series(3, shop=Shop(routes={f"GET /{EVIL}/": (500.0, 30.0)}))
    start = utc_now() - timedelta(minutes=3)
    for name in ("received", "handled", "lag", "delivered", "releases"):
        Series.objects.create(step=60, start=start.replace(second=0, microsecond=0), name=name, label=EVIL, count=1)
    for period in ("hour", "day", "month"):
        page = get(admin, f"period={period}")
        assert "&lt;script&gt;" in page
        assert "<script>alert" not in page
        assert "\u202e" not in page


def test_numbers_are_those_of_the_language_and_attributes_are_not(admin: Client, settings: Any) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    settings.LANGUAGE_CODE = "de"
    fill_series(61, shop=Shop(busy=10))
    with translation.override("de"):
        page = get(admin, "period=hour")
    assert 'width="100%" height="190"' in page
    assert 'viewBox="0 0 1000 140"' in page
    assert " Anfragen" not in page  # the engine's texts are English
    assert "in all, most" in page
    assert 'd="M' in page
    assert not [each for each in page.split('"') if each.startswith("M") and "," in each]


def test_a_project_without_time_zones(admin: Client, settings: Any) -> None:
    settings.USE_TZ, settings.TIME_ZONE = False, "America/New_York"
    end = fill_series(120, shop=Shop(release=30))
    assert Series.objects.filter(start=end - timedelta(minutes=1)).exists()
    for period in ("hour", "day"):
        page = get(admin, f"period={period}")
        assert "1.5.0" in page
        assert "Nothing was counted" not in page


def test_below_a_path(admin: Client) -> None:
    fill_series(3)
    set_script_prefix("/shop/")
    try:
        page = admin.get(STATUS, {"period": "hour"}, SCRIPT_NAME="/shop").content.decode()
    finally:
        clear_script_prefix()
    assert 'href="/shop/admin/notifications/rawpayload/?state=dead"' in page
    assert 'href="/admin/' not in page


def test_another_site_links_to_its_own_lists(admin: Client, settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    payload(state=State.DEAD, next_attempt_at=None)
    FailedDelivery.objects.create(channel="SLACK", event_time=utc_now(), text="x", reason="y")
    Position.objects.create(machine="m", journal="j", channel="SLACK")
    page = get(admin, address="/other/notifications/status/")
    assert 'href="/other/notifications/rawpayload/?state=dead"' in page
    assert 'id="tile-failed"' not in page
    assert "faileddelivery/" not in page
    assert 'href="/admin/' not in page
