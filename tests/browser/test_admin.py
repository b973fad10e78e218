"""The operator's tour: a parser was broken, it is mended, and what it broke on goes on."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import DESKTOP, PHONE
from tests.support.processes import Site
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

LATER_MS = 30_000
PASSWORD = "only-for-this-test"
COUNT = 3
#: Contact messages that failed while the parser was broken.
BROKEN = f"""
from django.contrib.auth.models import User
from django.utils import timezone
from notifications import keep
from notifications.models import FailureGroup, RawPayload, State
User.objects.create_superuser("root", password={PASSWORD!r})
now = timezone.now()
group = FailureGroup.objects.create(
    source="contact", fingerprint="x", title="KeyError: 'message'", place="proppy/handlers.py:41, contact",
    first_at=now, last_at=now, attempts={COUNT},
)
body = b"name=Ada&email=ada@example.org&message=It's+me"
for _ in range({COUNT}):
    receipt = keep("contact", body, content_type="application/x-www-form-urlencoded", headers={{"x-event": "a"}})
    RawPayload.objects.filter(receipt=receipt).update(
        state=State.DEAD, next_attempt_at=None, attempts=16, failure=group,
        error="Traceback (most recent call last):\\nKeyError: 'message'",
    )
"""


@pytest.fixture
def broken(site: Site) -> Site:
    site.migrate()
    site.manage("shell", "--verbosity", "0", "-c", BROKEN)
    site.start("web")
    return site


def log_in(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/admin/")
    page.get_by_label("Username:").fill("root")
    page.get_by_label("Password:").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_a_failure_group_is_retried_and_its_payloads_go_on(broken: Site, page: Page) -> None:
    log_in(page, broken)
    page.get_by_role("link", name="Failure groups", exact=True).first.click()
    page.get_by_role("link", name="KeyError: 'message'").click()
    expect(page.locator(".raw").first).to_contain_text("KeyError: 'message'")
    page.get_by_role("button", name="Retry all…").click()

    expect(page.get_by_text(f"Retry: {COUNT} payloads?")).to_be_visible()
    page.get_by_role("button", name="Retry", exact=True).click()

    expect(page.get_by_text(f"To be processed again: {COUNT}.")).to_be_visible()
    broken.start("process_raw")
    page.goto(f"{broken.url}/admin/notifications/rawpayload/?state=done")

    def done() -> bool:
        page.reload()
        return page.locator("#result_list .state-done").count() == COUNT

    wait_for(done)
    page.get_by_role("link", name="…").first.click()
    expect(page.locator("#raw-curl")).to_contain_text("--data-raw 'name=Ada&email=ada@example.org&message=It'\\''s+me'")


def test_no_takes_back_and_nothing_happens(broken: Site, page: Page) -> None:
    log_in(page, broken)
    page.goto(f"{broken.url}/admin/notifications/rawpayload/?state=dead")
    page.locator("#action-toggle").check()
    page.get_by_label("Action:").select_option("process_again")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_text(f"Process again: {COUNT} payloads?")).to_be_visible()

    page.get_by_role("link", name="No, take me back").click()

    expect(page.locator("#result_list .state-dead")).to_have_count(COUNT)


def test_the_command_is_copied(broken: Site, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    log_in(page, broken)
    page.goto(f"{broken.url}/admin/notifications/rawpayload/")
    page.get_by_role("link", name="…").first.click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#raw-curl").text_content()


def test_before_a_time_is_chosen_with_the_browsers_own_field(broken: Site, page: Page) -> None:
    log_in(page, broken)
    page.goto(f"{broken.url}/admin/notifications/rawpayload/?state=dead")
    page.get_by_text("Received before", exact=True).click()
    page.get_by_label("Received before").fill("2026-01-02T03:04:05")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("None.", exact=True)).to_be_visible()
    assert "state=dead" in page.url
    expect(page.get_by_label("Received before")).to_have_value("2026-01-02T03:04:05")
