"""The newcomer's tour: real processes, a real browser."""

import re
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.browser import DESKTOP, PHONE
from tests.support.processes import Site
from tests.support.s3 import S3Server
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

LATER_MS = 30_000


@pytest.fixture
def running(site: Site) -> Site:
    site.migrate()
    site.start("web")
    site.start("process_raw")
    site.start("follow_journal")
    return site


def png() -> bytes:
    out = BytesIO()
    Image.new("RGB", (320, 200), "teal").save(out, "PNG")
    return out.getvalue()


def sign_up(page: Page, site: Site, name: str = "Ada") -> None:
    page.goto(site.url)
    page.locator("#sign-up").get_by_label("Your name").fill(name)
    page.locator("#sign-up").get_by_label("Email").fill("ada@example.org")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name=f"Welcome, {name}")).to_be_visible()


def upload(page: Page, name: str, content_type: str, body: bytes) -> None:
    page.get_by_label("Photo", exact=True).set_input_files({"name": name, "mimeType": content_type, "buffer": body})
    page.get_by_role("button", name="Upload").click()


def expect_no_sideways_scrolling(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("viewport", [PHONE])
def test_a_phone_shows_the_card_whose_form_was_sent(site: Site, page: Page) -> None:
    site.env["RAW_MAX_BODY_BYTES"] = "1000"
    site.migrate()
    site.start("web")
    page.goto(site.url)
    page.evaluate("document.querySelector('#sign-up form').noValidate = true")
    page.get_by_role("button", name="Sign up").click()
    expect(page.locator("#sign-up-name_error")).to_be_in_viewport()

    sign_up(page, site)
    upload(page, "p.png", "image/png", b"x" * 1001)
    expect(page.locator("#photo-photo_error")).to_be_in_viewport()
    page.goto(page.url.partition("#")[0])
    expect(page).to_have_url(f"{site.url}/")

    contact = page.locator("#contact")
    contact.get_by_label("Your message").fill("Hello")
    contact.get_by_role("button", name="Send").click()
    expect(page).to_have_url(re.compile(r"/\?receipt=[0-9a-f-]{36}#contact$"))
    expect(contact.get_by_role("heading")).to_be_in_viewport()
    expect(contact.get_by_role("status")).to_be_in_viewport()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_a_newcomer_sees_all_of_it_happen_without_a_reload(running: Site, page: Page) -> None:
    sign_up(page, running)
    lives = page.locator("#lives")
    expect(lives).to_contain_text("Sign-up: answered in", timeout=LATER_MS)
    for step in ("Welcome mail sent", "Sent to Slack: Ada signed up", "Counted: one more sign-up"):
        expect(lives).to_contain_text(step, timeout=LATER_MS)
    expect(lives).not_to_contain_text("Waiting for", timeout=LATER_MS)

    upload(page, "p.png", "image/png", png())
    photo = page.locator("#photos img")
    expect(photo).to_be_visible(timeout=LATER_MS)
    # Not wait_for_function(): it evaluates text in the page, which the page's policy forbids.
    wait_for(lambda: page.evaluate("document.querySelector('#photos img').naturalWidth") == 320)
    upload(page, "p.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    expect(page.locator("#photos")).to_contain_text("This is not a JPEG, PNG, WebP or GIF image.", timeout=LATER_MS)

    contact = page.locator("#contact")
    contact.get_by_label("Your name").fill("Ada")
    contact.get_by_label("Email").fill("ada@example.org")
    contact.get_by_label("Your message").fill("Hello")
    contact.get_by_role("button", name="Send").click()
    expect(contact).to_contain_text("Thank you, Ada.", timeout=LATER_MS)
    expect_no_sideways_scrolling(page)


def test_a_photo_in_a_bucket_is_shown_from_there(site: Site, s3: S3Server, page: Page) -> None:
    site.env |= s3.env
    site.migrate()
    site.start("web")
    site.start("process_raw")
    sign_up(page, site)
    upload(page, "p.png", "image/png", png())
    expect(page.locator("#photos img")).to_be_visible(timeout=LATER_MS)
    # Not wait_for_function(): it evaluates text in the page, which the page's policy forbids.
    wait_for(lambda: page.evaluate("document.querySelector('#photos img').naturalWidth") == 320)
    [key] = s3.keys()
    assert s3.read(key) == png()


def test_the_browser_checks_first_and_the_worker_has_the_last_word(running: Site, page: Page) -> None:
    page.goto(running.url)
    contact = page.locator("#contact")
    contact.get_by_role("button", name="Send").click()
    assert contact.locator(":invalid").count() > 0
    assert page.url.rstrip("/") == running.url

    page.evaluate("document.querySelector('#contact form').noValidate = true")
    contact.get_by_label("Your name").fill("Ada")
    contact.get_by_label("Email").fill("nonsense")
    contact.get_by_role("button", name="Send").click()

    email = contact.get_by_label("Email")
    expect(email).to_have_accessible_description("Enter a valid email address.", timeout=LATER_MS)
    expect(email).to_have_value("nonsense")
    expect(contact.get_by_label("Your name")).to_have_value("Ada")


def test_what_is_typed_stays_while_the_page_changes(running: Site, page: Page) -> None:
    sign_up(page, running)
    text = page.locator("#contact").get_by_label("Your message")
    text.fill("half a sentence")
    expect(page.locator("#lives")).to_contain_text("Welcome mail sent", timeout=LATER_MS)
    expect(text).to_have_value("half a sentence")


def test_names_are_never_markup(running: Site, page: Page) -> None:
    sign_up(page, running, "<img src=x onerror=alert(1)>")
    expect(page.locator("#lives")).to_contain_text("onerror=alert(1)> signed up", timeout=LATER_MS)
    assert page.locator("#lives img").count() == 0


def test_it_works_without_javascript(running: Site, page: Page) -> None:
    assert page.context.browser is not None
    with page.context.browser.new_context(java_script_enabled=False) as context:
        plain = context.new_page()
        sign_up(plain, running)
        upload(plain, "p.png", "image/png", png())

        def shown_after_a_reload() -> bool:
            plain.get_by_role("link", name="reload it").click()
            return plain.locator("#photos img").is_visible()

        wait_for(shown_after_a_reload)


def test_without_workers_the_answers_come_all_the_same(site: Site, page: Page) -> None:
    site.migrate()
    site.start("web")
    sign_up(page, site)
    upload(page, "p.png", "image/png", png())
    expect(page.locator("#photos")).to_contain_text("Being checked")
    expect(page.locator("#lives")).to_contain_text("Are both workers running?", timeout=LATER_MS)
