"""The pages of failures and payloads in a browser: for everybody, by keyboard, and from failure to mended."""

from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.support.axe import TOO_WIDE, unreached, violations
from tests.support.browser import LOOKS
from tests.support.processes import Site

pytestmark = pytest.mark.services

PASSWORD: Final = "only-for-this-test"
#: Payloads that failed and were replayed, a good one, groups in each state, one with a long title and one with nothing.
NIGHT: Final = f"""
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from notifications import keep
from notifications.events.emit import new_entry, process_outbox
from notifications.models import (
    Attempt, FailedDelivery, FailureGroup, FailureHour, OperatorAction, Position, RawPayload, State
)
User.objects.create_superuser("root", password={PASSWORD!r})
now = timezone.now()
traceback = "Traceback (most recent call last):" + "\\n  File 'handlers.py', line 1" * 60 + "\\nKeyError: 'price'"
texts = dict(traceback=traceback, frames="shop/money.py:12, price\\n    return Decimal(data[name])")
for state in FailureGroup.State.values:
    title = "KeyError: " + "price" * (40 if state == "muted" else 1)
    group = FailureGroup.objects.create(
        source="contact", fingerprint=state, title=title, place="shop/money.py:12, price", first_at=now, last_at=now,
        attempts=7, state=state, state_at=now, state_by="ada", muted_until=now + timedelta(days=1),
        first_release="1.3.0", last_release="1.4.0", **texts
    )
    OperatorAction.objects.create(failure=group, at=now, by="ada", what=state)
    hour = now.replace(minute=0, second=0, microsecond=0)
    for age in range(0, 100, 7):
        FailureHour.objects.create(failure=group, hour=hour - timedelta(hours=age), failed=age + 1)
group = FailureGroup.objects.get(state="open")
bare = FailureGroup.objects.create(source="demo", fingerprint="bare", title="OSError", first_at=now, last_at=now)
for body in (b'{{"id": 1, "amount": 2}}', b'{{"id": 1, "price": 2}}'):
    receipt = keep("contact", body, content_type="application/json", headers={{"x-event": "a"}})
failing, good = RawPayload.objects.order_by("pk")
RawPayload.objects.filter(pk=failing.pk).update(
    state=State.DEAD, next_attempt_at=None, attempts=16, failure=group, error=traceback
)
RawPayload.objects.filter(pk=good.pk).update(state=State.DONE, next_attempt_at=None, attempts=1, done_at=now)
for number, outcome in enumerate(["failed"] * 9 + ["worker lost", "conflict", "dead"], start=1):
    Attempt.objects.create(
        payload=failing, number=number, outcome=outcome, started_at=now, milliseconds=number ** 5, worker="shop1 4711",
        release="1.4.0", failure=group, traceback=traceback, log="+0.001 s INFO shop: order 4711"
    )
note = f"with failure group #{{group.pk}}"
OperatorAction.objects.create(payload=failing, at=now, by="ada", what="replayed", note=note)
OperatorAction.objects.create(failure=group, at=now, by="ada", what="retried")
failed = FailedDelivery.objects.create(channel="SLACK", event_time=now, text="x", reason="is_archived")
OperatorAction.objects.create(delivery=failed, at=now, by="ada", what="sent again")
Position.objects.create(machine="m", journal="j", channel="SLACK", entry_time=now, waiting=1, problem="503 " * 60)
text = "Order 4711 has come without a price "
for number in range(7):
    process_outbox().write(new_entry("SLACK", text * number, "", failing.receipt))
process_outbox().write(new_entry("SLACK", "Ada signed up", "", good.receipt))
muted = FailureGroup.objects.get(state="muted")
print("ids=" + ",".join(str(each.pk) for each in (group, muted, bare, failing, good, failed)))
"""


class Night:
    """A site after a night of failures, and its pages' addresses."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.migrate()
        printed = site.manage("shell", "--verbosity", "0", "-c", NIGHT)
        ids = printed.partition("ids=")[2].split()[0].split(",")
        self.group, self.muted, self.bare, self.failing, self.good, self.delivery = ids
        site.start("web")

    @property
    def pages(self) -> list[str]:
        """Each kind of page, with much and with nothing."""
        groups = [f"failuregroup/{pk}/{page}/" for pk in (self.group, self.bare) for page in ("change", "compare")]
        payloads = [f"rawpayload/{pk}/change/" for pk in (self.failing, self.good)]
        others = [f"failuregroup/{self.muted}/change/", f"faileddelivery/{self.delivery}/change/"]
        lists = [f"{name}/" for name in ("failuregroup", "faileddelivery", "position")]
        return [*lists, *groups, *payloads, *others]

    def log_in(self, page: Page) -> None:
        page.goto(f"{self.site.url}/admin/")
        page.get_by_label("Username:").fill("root")
        page.get_by_label("Password:").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()

    def open(self, page: Page, address: str) -> None:
        page.goto(f"{self.site.url}/admin/notifications/{address}")


@pytest.fixture
def night(site: Site) -> Night:
    return Night(site)


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_everybody_can_use_each_page(
    night: Night, browser: Browser, viewport: ViewportSize, scheme: Literal["light", "dark"]
) -> None:
    # axe-core itself styles elements, which the site's policy forbids: the other tests look at that.
    context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    night.log_in(page)
    for address in night.pages:
        night.open(page, address)
        for summary in page.locator(".life summary").all():
            summary.click()
        assert violations(page) == [], address
        assert not page.evaluate(TOO_WIDE), address
    context.close()


def test_the_keyboard_reaches_everything(night: Night, page: Page) -> None:
    """Each control of the page has the focus once, by the tabulator alone."""
    night.log_in(page)
    for address in night.pages:
        night.open(page, address)
        assert unreached(page) == set(), address


def test_from_the_failure_to_resolved(night: Night, page: Page) -> None:
    night.log_in(page)
    night.open(page, "failuregroup/?state=open")
    page.get_by_role("link", name="KeyError: price").click()
    expect(page.get_by_role("heading", level=1, name="KeyError: price")).to_be_visible()

    page.get_by_role("link", name="Compare a failing body with a good one").click()
    expect(page.locator(".compare del")).to_have_text("amount")
    expect(page.locator(".compare ins")).to_have_text("price")
    page.get_by_role("link", name="KeyError: price").click()

    page.get_by_label("for", exact=True).select_option("an hour")
    page.get_by_role("button", name="Mute").click()
    expect(page.locator(".group-muted")).to_be_visible()

    page.get_by_role("button", name="Retry one").click()
    page.get_by_role("link", name="One payload").click()
    expect(page.locator(".life-person .who").last).to_contain_text("by root")
    page.locator(".life-failed summary").first.click()
    expect(page.locator(".life-failed .raw").first).to_contain_text("KeyError: 'price'")

    night.open(page, f"failuregroup/{night.group}/change/")
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator(".group-resolved")).to_be_visible()
    expect(page.locator(".actions-done li").first).to_contain_text("Resolved by root")
