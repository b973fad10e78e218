"""The status page in a browser: from a tile to the row, by keyboard, and how it is kept fresh."""

import re
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.support.axe import TOO_WIDE, unreached, violations
from tests.support.browser import LOOKS
from tests.support.processes import Site
from tests.support.shop_series import ROUTES, SLOW
from tests.support.slack import FakeSlack
from tests.support.slack_http import Plain
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

SOON: Final = 60.0
PASSWORD: Final = "only-for-this-test"
USER: Final = f"""
from django.contrib.auth.models import User
User.objects.create_superuser("root", password={PASSWORD!r})
"""
#: Two days with a release that doubled a route's times, a loss, and payloads that failed.
STORY: Final = """
from django.utils import timezone
from notifications import keep
from notifications.models import FailedDelivery, FailureGroup, Loss, Position, RawPayload, State
from notifications.utils.times import utc_now
from tests.support.shop_series import Shop, fill_series
now = utc_now()
fill_series(2 * 1440, shop=Shop(release=20 * 60, outage=(25, 0)))
group = FailureGroup.objects.create(source="contact", fingerprint="x", title="KeyError", first_at=now, last_at=now)
for number in range(3):
    receipt = keep("contact", b"x")
dead = dict(state=State.DEAD, next_attempt_at=None, failure=group, error="KeyError")
RawPayload.objects.filter(receipt=receipt).update(**dead)
Loss.objects.create(origin="shop1 4711", channel="SLACK", reason="the outbox was full", count=3, until=now, key="k")
FailedDelivery.objects.create(channel="SLACK", event_time=now, text="x", reason="is_archived")
"""
BLOCKED: Final = """
Position.objects.create(machine="m", journal="j", channel="SLACK", waiting=1, problem="503", problem_since=now)
"""
#: One payload in a spool that takes no more.
SPOOL: Final = """
from notifications.http.idempotency import receipt_for
from notifications.store.new_payload import Record, digest_of
from notifications.store.spool import spool
from notifications.utils.times import utc_now
body, now = b"x" * 4000, utc_now()
record = Record(
    receipt=receipt_for("contact", None), source="contact", body=body, digest=digest_of(body), received_at=now,
    next_attempt_at=now,
)
assert spool().write(record)
"""
#: The page is seen, or is not: another tab is in front of it.
SEEN: Final = """state => {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


class Shop:
    """A site, and somebody who is logged in and looks at its status."""

    def __init__(self, site: Site, page: Page) -> None:
        self.site, self.page = site, page
        site.migrate()
        site.manage("shell", "--verbosity", "0", "-c", USER)
        site.start("web")
        page.goto(f"{site.url}/admin/")
        page.get_by_label("Username:").fill("root")
        page.get_by_label("Password:").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()

    def happens(self, story: str) -> None:
        self.site.manage("shell", "--verbosity", "0", "-c", story)

    def open(self, query: str = "") -> None:
        self.page.goto(f"{self.site.url}/admin/notifications/status/{query}")

    def tile(self, key: str) -> Locator:
        return self.page.locator(f"#tile-{key}")

    def wait_for_tile(self, key: str, state: str) -> Locator:
        """The tile, once it says so."""
        return self.wait_for(f"#tile-{key}", state)

    def wait_for(self, selector: str, text: str, query: str = "") -> Locator:
        """The element, once it says so; the page is looked at again."""
        found = self.page.locator(selector)

        def says() -> bool:
            self.open(query)
            return bool(re.search(text, found.inner_text()))

        wait_for(says, timeout=SOON, message=text)
        return found


@pytest.fixture
def shop(site: Site, page: Page) -> Shop:
    return Shop(site, page)


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_everybody_can_use_it(
    site: Site, browser: Browser, viewport: ViewportSize, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    shop = Shop(site, context.new_page())
    index = f"{site.url}/admin/"
    shop.open()
    assert violations(shop.page) == [], "with nothing"
    shop.happens(STORY + BLOCKED)
    for query in ("", "?period=hour", "?period=month"):
        shop.open(query)
        if not query:  # tables are alike in all periods, and axe takes long to read them
            shop.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        assert violations(shop.page) == [], query
        assert not shop.page.evaluate(TOO_WIDE), query
    shop.page.goto(index)
    found = [each for each in violations(shop.page) if "tile" in str(each) or "status" in str(each)]
    assert found == [], "our part of Django's own index"
    assert not shop.page.evaluate(TOO_WIDE)
    goes_away(shop)
    assert violations(shop.page) == [], "with what it says when the site does not answer"
    assert not shop.page.evaluate(TOO_WIDE)
    context.close()


def goes_away(shop: Shop) -> None:
    """The open page has asked in vain for its next figures."""
    shop.page.clock.install()
    shop.open()
    shop.page.route("**/*part=*", lambda route: route.abort())
    shop.page.clock.run_for(31_000)
    expect(shop.page.locator("#status-fresh")).to_contain_text("did not answer")


def test_the_keyboard_reaches_everything_in_each_period(shop: Shop) -> None:
    shop.happens(STORY)
    for period in ("hour", "day", "month"):
        shop.open(f"?period={period}")
        expect(shop.page.locator(f"#period-{period}")).to_have_attribute("aria-current", "true")
        shop.page.evaluate("document.querySelector('#chart-received details').open = true")
        assert unreached(shop.page) == set(), period


def test_an_outage_of_slack(shop: Shop, slack: FakeSlack) -> None:
    shop.happens(STORY)
    slack.answers(*[Plain(503, "service_unavailable")] * 1000)
    shop.site.env |= slack.env
    shop.site.start("follow_journal")
    shop.happens("from notifications import emit; emit('SLACK', 'order 7')")
    tile = shop.wait_for_tile("channels", "retrying|blocked")
    expect(tile).to_contain_text("SLACK is")
    expect(tile).to_contain_text("holds 1 event")

    shop.open("?period=hour")
    chart = shop.page.locator("#chart-lag")
    expect(chart.locator(".chart-legend li").filter(has_text="SLACK")).to_contain_text("24 min")
    chart.get_by_text("Figures").click()
    expect(chart.get_by_role("row").nth(1)).to_contain_text("24 min")
    chart.get_by_role("heading").get_by_role("link").click()
    link = shop.page.get_by_role("link", name="SLACK file:")
    expect(shop.page.get_by_role("row").filter(has=link)).to_contain_text("503")
    link.click()
    expect(shop.page.locator(".raw").first).to_contain_text("503")


def test_a_full_spool(site: Site, page: Page) -> None:
    site.env["DJANGO_SETTINGS_MODULE"] = "tests.support.small_spool_settings"
    shop = Shop(site, page)
    shop.happens(SPOOL)
    shop.open()
    expect(page.locator(".verdict li").filter(has_text="nearly full")).to_contain_text("NOTIFICATIONS_SPOOL_MAX_BYTES")
    expect(shop.tile("spool")).to_contain_text("1 file waits")
    expect(shop.tile("workers")).to_contain_text("no process_raw runs")
    site.start("process_raw")
    site.start("follow_journal")
    shop.wait_for_tile("spool", "Empty")
    chart = shop.wait_for("#chart-handled", "handled 1 in all", "?period=hour")
    chart.get_by_text("Figures").click()
    expect(chart.locator("tbody tr")).to_have_count(1)
    shop.tile("spool").get_by_role("link").click()
    assert "received=hour" in page.url
    page.get_by_role("link", name="…").first.click()
    expect(page.get_by_text("What happened")).to_be_visible()


def test_a_lost_event(shop: Shop) -> None:
    shop.happens(STORY)
    shop.open("?period=hour")
    expect(shop.page.locator(".verdict li").first).to_contain_text("3 events of SLACK were lost")
    expect(shop.tile("losses")).to_contain_text("3 events lost")
    expect(shop.page.locator("#chart-lost .chart-summary")).to_contain_text("3 in all")
    shop.page.locator("#chart-lost").get_by_role("link").click()
    expect(shop.page.get_by_role("heading", level=1)).to_have_text("Losses")
    shop.open()
    shop.tile("losses").get_by_role("link").click()
    assert "seen=no" in shop.page.url
    shop.page.locator("#result_list tbody a").first.click()
    expect(shop.page.get_by_text("the outbox was full")).to_be_visible()


def test_a_release_that_doubled_the_times_of_a_route(shop: Shop) -> None:
    shop.happens(STORY)
    shop.open()
    release = shop.page.locator(".releases > li").first
    expect(release).to_contain_text(re.compile(r"^1\.5\.0 \(.*, (19|20) h ago\) made 1 route twice as slow: "))
    expect(release.locator("li").first).to_contain_text(f"{SLOW}: twice as slow")
    tile = shop.tile("times")
    expect(tile).to_contain_text("1 route slower")
    expect(tile).to_contain_text(f"{SLOW}: twice as slow")
    expect(shop.page.locator("#chart-times .mark-name")).to_have_text("1.5.0")
    expect(shop.page.locator(".routes tbody tr")).to_have_count(len(ROUTES))

    tile.get_by_role("link").click()
    expect(shop.page.locator("#routes-slower")).to_have_attribute("aria-current", "true")
    expect(shop.page.locator("#group-routes")).to_be_in_viewport()
    chart = shop.page.locator("#chart-slowest-p99")
    expect(chart.locator(".mark-name")).to_have_text("1.5.0")
    expect(chart.locator("path")).to_have_count(1)
    row = shop.page.locator(".routes tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(SLOW)
    expect(row.locator(".change")).to_have_text(re.compile("slow"))
    shop.page.locator("#routes-all").click()
    expect(row).to_have_count(len(ROUTES))
    chart = shop.page.locator("#chart-busiest-p99")
    chart.get_by_text("Figures").click()
    expect(chart.get_by_role("columnheader").filter(has_text=SLOW)).to_be_visible()


def test_from_a_point_of_a_chart_to_the_payloads_of_that_time(shop: Shop) -> None:
    shop.happens(STORY)
    shop.open("?period=day")
    chart = shop.page.locator("#chart-received")
    chart.get_by_text("Figures").click()
    chart.locator("tbody a").first.click()
    assert "until=" in shop.page.url
    expect(shop.page.locator("#result_list tbody tr")).to_have_count(3)
    shop.open("?period=day")
    chart.locator(".chart-legend a", has_text="contact").click()
    assert "source=contact" in shop.page.url
    shop.open("?period=day")
    chart.locator(".hits a").last.click(force=True)
    assert "until=" in shop.page.url


def test_it_is_refreshed_while_somebody_looks_and_says_when_it_no_longer_is(shop: Shop) -> None:
    shop.happens(STORY)
    page = shop.page
    page.clock.install()
    shop.open("?period=hour")
    shop.page.locator("#chart-lag").get_by_text("Figures").click()
    focused = "document.activeElement.closest('details')?.id"
    assert page.evaluate(focused) == "chart-lag-figures"
    expect(shop.tile("dead")).to_contain_text("1 dead")
    shop.happens("from notifications.models import *; RawPayload.objects.update(state='dead', next_attempt_at=None)")
    page.evaluate("document.querySelector('#chart-lag').dataset.old = 'yes'")
    page.clock.run_for(61_000)
    expect(shop.tile("dead")).to_contain_text("3 dead")
    expect(page.locator("#chart-lag[data-old]")).to_have_count(0)
    expect(page.locator("#chart-lag-figures[open]")).to_be_visible()
    assert page.evaluate(focused) == "chart-lag-figures"
    expect(page.locator("#status-fresh")).to_be_empty()

    page.context.clear_cookies()
    page.clock.run_for(61_000)
    expect(page.locator("#status-fresh")).to_contain_text("no longer refreshed")


def test_a_page_that_nobody_sees_is_not_refreshed_until_somebody_does(shop: Shop) -> None:
    page, asked = shop.page, list[str]()
    page.on("request", lambda request: asked.append(request.url) if "part=" in request.url else None)
    page.clock.install()
    shop.open()
    parts = set(page.locator("[data-part]").evaluate_all("all => all.map(each => each.dataset.part)"))
    page.evaluate(SEEN, "hidden")
    for _ in range(10):
        page.clock.run_for(61_000)
    page.evaluate(SEEN, "hidden")  # such an event alone is not enough
    page.clock.run_for(61_000)
    assert asked == []
    page.evaluate("for (const each of document.querySelectorAll('[data-part] > *')) each.dataset.old = 'yes'")
    page.evaluate(SEEN, "visible")  # long before its next turn
    expect(page.locator("[data-old]")).to_have_count(0)
    assert sorted(re.findall(r"part=(\w+)", " ".join(asked))) == sorted(parts)


def test_it_says_that_the_site_does_not_answer_and_goes_on_when_it_does(shop: Shop) -> None:
    page = shop.page
    goes_away(shop)
    page.unroute("**/*part=*")
    page.clock.run_for(61_000)
    expect(page.locator("#status-fresh")).to_be_empty()


def test_a_part_that_comes_does_not_hide_that_another_one_does_not(shop: Shop) -> None:
    page = shop.page
    page.clock.install()
    shop.open()
    page.route("**/*part=figures*", lambda route: route.abort())
    page.clock.run_for(31_000)
    expect(page.locator("#status-fresh")).to_contain_text("did not answer")
    page.evaluate("document.querySelector('#now .tiles').dataset.old = 'yes'")
    page.clock.run_for(31_000)
    expect(page.locator("[data-old]")).to_have_count(0)
    expect(page.locator("#status-fresh")).to_contain_text("did not answer")
