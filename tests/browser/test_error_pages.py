"""The site's pages of errors, and its forms with errors in them: for everybody, and by keyboard."""

from collections.abc import Iterator
from typing import Final, Literal

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Page, ViewportSize, expect

from notifications.errors import BodyTooShort, IntakeError, UnexpectedFailure
from tests.support.axe import TOO_WIDE, unreached, violations
from tests.support.browser import LOOKS
from tests.support.processes import Site

pytestmark = pytest.mark.services

LATER_MS: Final = 30_000
TOKEN: Final = """
from django.contrib.auth.models import User
from proppy.sign_in import token_for
print("token=" + token_for(User.objects.create_user("ada@example.org", email="ada@example.org", first_name="Ada" * 33)))
"""
#: What nobody gets on purpose.
FAILS: Final = ("500.html", "503.html")
REFUSED: Final = (BodyTooShort("the body ended before its Content-Length"), UnexpectedFailure("it was not stored " * 9))
#: Sign-ins for one mailbox: the last one is refused.
TOO_OFTEN: Final = 6


@pytest.fixture
def running(site: Site) -> Site:
    site.env |= {"RATE_LIMITS": "true", "RAW_MAX_BODY_BYTES": "2000"}
    site.migrate()
    site.start("web")
    site.start("process_raw")
    return site


def every_page(page: Page, site: Site) -> Iterator[str]:
    """Opens one after the other; its name."""
    yield from pages_that_fail(page, site)
    yield from refused_posts(page, site)
    yield from forms_with_errors(page, site)


def pages_that_fail(page: Page, site: Site) -> Iterator[str]:
    """What the site would answer if it had a bug, or no database."""
    pages = {name: render_to_string(name) for name in FAILS} | {str(error): refused(error) for error in REFUSED}
    for name, html in pages.items():
        show(page, f"{site.url}/fails/", html)
        yield name


def show(page: Page, address: str, html: str) -> None:
    """As if the site had answered so."""
    page.route(address, lambda route: route.fulfill(content_type="text/html", body=html), times=1)
    page.goto(address)


def refused(error: IntakeError) -> str:
    return render_to_string("notifications/refused.html", {"error": error, "back": "/#contact"})


def refused_posts(page: Page, site: Site) -> Iterator[str]:
    page.goto(site.url)
    contact(page, "ada@example.org", "x" * 3000)
    expect(page.get_by_role("heading")).to_have_text("What you sent was not accepted")
    yield "too large"
    page.goto(f"{site.url}/sign-in/")
    page.context.clear_cookies()
    ask_for_a_link(page, "ada@example.org")
    expect(page.get_by_role("heading")).to_have_text("Please send it again")
    yield "without the cookie"
    for _ in range(TOO_OFTEN):
        page.goto(f"{site.url}/sign-in/")
        ask_for_a_link(page, "ada@example.org")
    expect(page.get_by_role("heading")).to_have_text("Please wait a little")
    yield "too often"


def forms_with_errors(page: Page, site: Site) -> Iterator[str]:
    page.goto(f"{site.url}/sign-in/")
    ask_for_a_link(page, "nonsense")
    expect(page.locator("#sign-in-email_error")).to_be_visible()
    yield "sign-in"
    page.goto(site.url)
    send(page, "#sign-up form")
    expect(page.locator("#sign-up-name_error")).to_be_visible()
    yield "sign-up"
    page.goto(f"{site.url}/sign-in/{site.manage('shell', '-v0', '-c', TOKEN).partition('token=')[2].split()[0]}/")
    yield "a link"
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    send(page, "#photo form")
    expect(page.locator("#photo-photo_error")).to_be_visible()
    yield "photo"
    page.goto(site.url)
    contact(page, "nonsense", "Hello")
    expect(page.locator("#contact-email_error")).to_be_visible(timeout=LATER_MS)
    yield "contact"


def send(page: Page, form: str) -> None:
    """As it is, right or wrong."""
    page.locator(form).evaluate("form => { form.noValidate = true; }")
    page.locator(form).locator("button").click()


def ask_for_a_link(page: Page, email: str) -> None:
    page.get_by_label("Email").fill(email)
    send(page, "main form")


def contact(page: Page, email: str, text: str) -> None:
    form = page.locator("#contact")
    form.get_by_label("Your name").fill("Ada")
    form.get_by_label("Email").fill(email)
    form.get_by_label("Your message").fill(text)
    send(page, "#contact form")


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_everybody_can_use_every_page(
    running: Site, browser: Browser, viewport: ViewportSize, scheme: Literal["light", "dark"]
) -> None:
    # axe-core itself styles elements, which the site's policy forbids: the next test looks at that.
    context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    page, found = context.new_page(), {}
    for name in every_page(page, running):
        found[name] = [*violations(page), *(["too wide"] if page.evaluate(TOO_WIDE) else [])]
    assert {name: problems for name, problems in found.items() if problems} == {}
    context.close()


def test_the_keyboard_reaches_everything(running: Site, page: Page) -> None:
    page.goto(running.url)
    found = {"home": unreached(page)} | {name: unreached(page) for name in every_page(page, running)}
    assert {name: numbers for name, numbers in found.items() if numbers} == {}
