"""Three in the morning: a sender changes its format, and a person on call mends it, from a message to "mended"."""

import json
import re
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.child import BASE_DIR
from tests.support.processes import Site
from tests.support.slack import FakeSlack
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

SOON: Final = 60.0
PASSWORD: Final = "only-for-this-test"
COUNT: Final = 4
SETTINGS: Final = """
from proppy.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "shop"]
NOTIFICATIONS_SOURCES = {**NOTIFICATIONS_SOURCES, "orders": {"http": True, "rate": "", "max_attempts": 1}}
"""
HANDLER: Final = """
import json
import logging
from notifications import on_payload

@on_payload("orders")
def count_order(payload):
    order = json.loads(payload.body)
    logging.warning("counted " + %s)
"""
BROKEN: Final = 'order["price"]'
MENDED: Final = 'order.get("price", order.get("amount"))'
USER: Final = (
    f"from django.contrib.auth.models import User; User.objects.create_superuser('root', password={PASSWORD!r})"
)


class Shop:
    """A site whose sender and handler may change; `clicks` counts those of the person on call."""

    def __init__(self, site: Site, slack: FakeSlack, page: Page) -> None:
        self.site, self.slack, self.page = site, slack, page
        self.clicks = 0
        site.migrate()
        site.manage("shell", "--verbosity", "0", "-c", USER)
        code: Path = site.folder / "code"
        (code / "shop").mkdir(parents=True)
        (code / "shop" / "__init__.py").touch()
        (code / "night_settings.py").write_text(SETTINGS)
        self.handlers = code / "shop" / "handlers.py"
        site.env |= slack.env | {
            "SITE_URL": site.url,
            "DJANGO_SETTINGS_MODULE": "night_settings",
            "PYTHONPATH": f"{code}:{BASE_DIR}",
            "PYTHONDONTWRITEBYTECODE": "1",  # each version is loaded, however soon after the last
        }
        self.deploy(BROKEN)

    def deploy(self, price: str) -> None:
        """Another version of the handler."""
        self.handlers.write_text(HANDLER % price)

    def restart(self) -> None:
        """The worker loads the handler anew."""
        assert self.site.terminate("process_raw") == 0
        self.site.start("process_raw")

    def send(self, number: int, **order: str) -> None:
        body = json.dumps({"id": number, **order}).encode()
        answer = self.site.browse().post("/in/orders/", body, {"Content-Type": "application/json"})
        assert answer.status == 202

    def heard(self, pattern: str) -> str:
        """The message that begins so, once it is in Slack."""

        def found() -> str:
            return next((each["text"] for each in self.slack.messages if re.match(pattern, each["text"])), "")

        return wait_for(found, timeout=SOON, message=pattern)

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()

    def follow(self, message: str) -> None:
        """Click the link of a message, and log in: that is typed, and the Enter key."""
        link = re.search(rf"{re.escape(self.site.url)}\S+", message)
        assert link, message
        self.clicks += 1
        self.page.goto(link[0])
        self.page.get_by_label("Username:").fill("root")
        self.page.get_by_label("Password:").fill(PASSWORD)
        self.page.keyboard.press("Enter")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)


@pytest.fixture
def shop(site: Site, slack: FakeSlack, page: Page) -> Shop:
    shop = Shop(site, slack, page)
    site.start("web")
    site.start("follow_journal")
    site.start("process_raw")
    return shop


def test_the_night(shop: Shop, page: Page) -> None:
    """In five clicks from the message to "Mended, N handled", and without a shell but to deploy."""
    shop.send(0, price="12.50")
    wait_for(lambda: "counted 12.50" in shop.site.log("process_raw"), timeout=SOON)
    for number in range(1, COUNT + 1):
        shop.send(number, amount="7.20")
    message = shop.heard(r"orders fails in a new way: KeyError \(shop/handlers\.py:9, count_order\)")

    shop.follow(message)  # 1
    expect(page.get_by_role("heading", level=1, name="KeyError: 'price'")).to_be_visible()
    expect(page.locator(".group-open")).to_be_visible()
    expect(page.locator(".raw").first).to_contain_text(BROKEN)
    wait_for_dead(shop)

    shop.click(page.get_by_role("link", name="Compare a failing body with a good one"))  # 2
    expect(page.locator(".compare del").filter(has_text="amount")).to_be_visible()
    expect(page.locator(".compare ins").filter(has_text="price")).to_be_visible()

    shop.deploy(MENDED)
    shop.restart()
    shop.click(shop.button("Retry one"))  # 3
    expect(page.locator("#retry strong")).to_have_text("1 handled", timeout=SOON * 1000)

    shop.click(shop.button("Retry all…"))  # 4
    expect(page.get_by_text(f"Retry: {COUNT - 1} payloads?")).to_be_visible()
    shop.click(shop.button("Retry and resolve"))  # 5
    expect(page.locator("#retry strong")).to_have_text(f"Mended, {COUNT - 1} handled", timeout=SOON * 1000)
    assert shop.clicks == 5

    expect(page.locator(".group-resolved")).to_be_visible()
    shop.heard(r"orders: KeyError is resolved, by root\nhttp")
    assert shop.site.log("process_raw").count("counted 7.20") == COUNT

    shop.deploy(BROKEN)
    shop.restart()
    shop.send(COUNT + 1, amount="7.20")
    again = shop.heard(
        r"orders fails again: KeyError \(shop/handlers\.py:9, count_order\); resolved \d+ \w+ ago by root"
    )
    page.goto(again.rpartition("\n")[2])
    expect(page.locator(".group-open")).to_be_visible()
    expect(page.get_by_text("it was resolved")).to_contain_text("by root")


def wait_for_dead(shop: Shop) -> None:
    """Until all have failed; the page is looked at again."""

    def all_dead() -> bool:
        shop.page.reload()
        return shop.page.get_by_text(f"({COUNT} dead)").count() == 1

    wait_for(all_dead, timeout=SOON)
