"""The lists of the admin in a browser, and every page of ours for everybody: rows fit, chips filter, keys reach all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.support.axe import unreached, violations
from tests.support.browser import DESKTOP, LOOKS, PHONE
from tests.support.crowded import PASSWORD, Crowded
from tests.support.processes import Site

pytestmark = pytest.mark.services

#: Of the list and of each cell whose text is wider than it.
CLIPPED: Final = """() => [
    ...document.querySelectorAll("#changelist, .results, .cards, .cards tbody :is(td, th), .chip, .chip-row, .groups")
].filter(each => each.scrollWidth > each.clientWidth + 1 && each.checkVisibility())
    .map(each => `${each.tagName} ${each.className}: ${each.scrollWidth} > ${each.clientWidth}`)"""
#: Also opens what can be opened.
FEW_ROWS: Final = """() => {
    document.querySelectorAll("#content tbody tr:nth-child(n+3)").forEach(each => each.remove());
    document.querySelectorAll("#content details").forEach(each => { each.open = true; });
}"""
TOO_WIDE: Final = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
#: Lists with a choice, a search, and a page sorted.
CHOICES: Final = (
    "notifications/rawpayload/?q=nowhere",
    "notifications/rawpayload/?q=price&state=dead",
    "notifications/rawpayload/?state=dead&o=-7",
    "notifications/rawpayload/?received=hour&failure=1&until=x",
    "notifications/faileddelivery/?channel=OPS",
    "notifications/loss/?seen=no",
    "notifications/loss/?q=nowhere",
)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowded]:
    folder: Path = tmp_path_factory.mktemp("crowded")
    (folder / "state").mkdir(mode=0o700)
    site = Site(folder)
    try:
        yield Crowded(site)
    finally:
        site.stop()


def log_in(page: Page, crowded: Crowded) -> None:
    page.goto(f"{crowded.site.url}/admin/")
    page.get_by_label("Username:").fill("root")
    page.get_by_label("Password:").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def open_page(page: Page, crowded: Crowded, address: str) -> None:
    page.goto(f"{crowded.site.url}/admin/{address}")


def everything(crowded: Crowded) -> list[str]:
    """The addresses of all kinds of pages of ours that somebody who is logged in sees, below the site's root."""
    deleted = [f"notifications/{name}/{crowded.ids[name]}/delete/" for name in ("faileddelivery", "machine")]
    compared = [f"notifications/failuregroup/{crowded.ids['failuregroup']}/compare/"]
    rows = [f"{row}change/" for row in crowded.rows]  # where their history leads to as well
    admin = ["", "notifications/", *crowded.lists, *CHOICES, *rows, *deleted, *compared]
    return [*(f"admin/{each}" for each in admin), "", "sign-in/", "sign-up/", "nothing/"]


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_everybody_can_use_every_page(
    crowded: Crowded, browser: Browser, viewport: ViewportSize, scheme: Literal["light", "dark"]
) -> None:
    # axe-core itself styles elements, which the site's policy forbids: the other tests look at that.
    context = browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    page, found = context.new_page(), {}
    page.goto(f"{crowded.site.url}/admin/")
    found["login"] = violations(page)
    log_in(page, crowded)
    for address in everything(crowded):
        page.goto(f"{crowded.site.url}/{address}")
        page.evaluate("document.querySelectorAll('#content details').forEach(each => { each.open = true; })")
        found[address] = [*violations(page), *(["too wide"] if page.evaluate(TOO_WIDE) else [])]
    for name, action in (("rawpayload", "process_again"), ("failuregroup", "retry"), ("machine", "delete_selected")):
        open_page(page, crowded, f"notifications/{name}/")
        page.locator("#action-toggle").check()
        page.get_by_label("Action:").select_option(action)
        page.get_by_role("button", name="Go").click()
        found[f"the question before {action}"] = violations(page)
    assert {address: problems for address, problems in found.items() if problems} == {}
    context.close()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_in_a_list_is_clipped(crowded: Crowded, page: Page) -> None:
    log_in(page, crowded)
    for address in (*crowded.lists, *CHOICES):
        open_page(page, crowded, address)
        if page.viewport_size == DESKTOP:
            expect(page.locator("#nav-sidebar")).to_be_visible()
        assert page.evaluate(CLIPPED) == [], address
        assert not page.evaluate(TOO_WIDE), address


@pytest.mark.parametrize("viewport", [PHONE])
def test_a_row_is_a_card_on_a_phone_and_each_cell_has_the_name_of_its_column(crowded: Crowded, page: Page) -> None:
    log_in(page, crowded)
    for address in crowded.lists:
        open_page(page, crowded, address)
        headings = [each.split("\n")[0].upper() for each in page.locator("#result_list thead th").all_text_contents()]
        names = [each.strip(" ↕\n").upper() for each in headings if each.strip()]
        cells = page.locator("#result_list tbody tr").first.locator("[data-label]")
        labels = cells.evaluate_all("all => all.map(each => getComputedStyle(each, '::before').content)")
        assert [label.strip('"').upper() for label in labels] == names, address
        tops = cells.evaluate_all("all => all.map(each => each.getBoundingClientRect().top)")
        assert tops == sorted(set(tops)), address  # one below the other
    open_page(page, crowded, "notifications/rawpayload/")
    box = page.locator("#searchbar").bounding_box()
    assert box is not None
    assert box["width"] > 150


def test_the_keyboard_reaches_everything_on_every_page(crowded: Crowded, page: Page) -> None:
    """Of a long list the first rows are enough."""
    page.goto(f"{crowded.site.url}/admin/")
    found = {"login": unreached(page)}
    log_in(page, crowded)
    for address in everything(crowded):
        if address == "nothing/":  # it has no controls
            continue
        page.goto(f"{crowded.site.url}/{address}")
        page.evaluate(FEW_ROWS)
        found[address] = unreached(page)
    assert {address: numbers for address, numbers in found.items() if numbers} == {}


def test_chips_filter_headings_sort_and_the_search_says_where(crowded: Crowded, page: Page) -> None:
    log_in(page, crowded)
    open_page(page, crowded, "notifications/rawpayload/")
    chips = page.get_by_role("navigation", name="Filters")
    chips.get_by_role("link", name="Dead 10").click()
    expect(chips.get_by_role("link", name="Dead 10")).to_have_attribute("aria-current", "true")
    expect(page.locator("#result_list tbody tr")).to_have_count(10)

    table = page.locator("#result_list")
    table.get_by_role("link", name="Attempts").click()
    expect(table.get_by_role("columnheader", name="Attempts")).to_have_attribute("aria-sort", "ascending")
    expect(table.locator("tbody .field-tried").first).to_have_text("4")
    table.get_by_role("link", name="Attempts").first.click()
    expect(table.locator("tbody .field-tried").first).to_have_text("58")
    page.get_by_role("link", name="Do not sort by attempts").click()

    page.get_by_role("textbox", name="Search").fill("trace-52")
    page.get_by_role("button", name="Search").click()
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_text("Searched for “trace-52” in those received from")).to_be_visible()


def test_a_loss_is_marked_as_seen_and_not(crowded: Crowded, page: Page) -> None:
    log_in(page, crowded)
    open_page(page, crowded, f"notifications/loss/{crowded.ids['loss']}/change/")
    page.get_by_role("button", name="Mark as seen").click()
    expect(page.locator(".field-seen .readonly")).to_contain_text("by root")
    expect(page.locator(".actions-done li").first).to_contain_text("Marked as seen by root")
    page.get_by_role("button", name="Mark as not seen").click()
    expect(page.locator(".field-seen .readonly")).to_contain_text("not yet")


def test_a_group_of_failed_deliveries_is_sent_again(crowded: Crowded, page: Page) -> None:
    log_in(page, crowded)
    open_page(page, crowded, "notifications/faileddelivery/")
    row = page.locator(".groups tbody tr").last
    row.get_by_role("link").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(20)
    page.go_back()
    row.get_by_role("button", name="Send all again").click()
    expect(page.get_by_text("To be sent again: 17. Left alone: 3")).to_be_visible()
    expect(page.locator(".groups tbody tr").last.get_by_role("button")).to_have_count(0)
