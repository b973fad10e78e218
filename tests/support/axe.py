"""Whether a page can be used by everybody: what axe-core finds, and what the keyboard reaches."""

from contextlib import suppress
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Page

RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: Whether something sticks out to the right.
TOO_WIDE: Final = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
#: Those of the content, and of the site's own header.
CONTROLS: Final = (
    ":is(#content, main, header.top) "
    ":is(a[href]:not([tabindex='-1']), button, select, summary, textarea, input:not([type=hidden]), [tabindex='0'])"
)
#: Gives each control that can be seen a number; how many there are.
NUMBER: Final = """
selector => [...document.querySelectorAll(selector)].filter(each => each.checkVisibility())
    .map((each, number) => { each.dataset.number = number; return number; }).length
"""
#: Remembers which of them have had the focus.
FOLLOW: Final = """
() => {
    window.reached = new Set();
    document.addEventListener("focusin", event => window.reached.add(event.target.dataset.number));
    document.activeElement.blur();
}
"""
PRESSES: Final = 20
#: axe-core takes the browser's own background for white, and it is dark in a dark scheme.
PAINT: Final = "if (!document.styleSheets.length) document.documentElement.style.background = 'Canvas'"
#: A page that refreshes itself may change while axe looks at it: it looks again.
LOOKS: Final = 5


def violations(page: Page) -> list[Any]:
    """What axe-core finds against WCAG 2.2 AA on the open page: rule and elements.

    It styles elements, which the site's policy forbids: open the page in a context with `bypass_csp`.
    """
    for _ in range(LOOKS - 1):
        with suppress(Error):
            return _found(page)
    return _found(page)


def _found(page: Page) -> list[Any]:
    page.evaluate(PAINT)
    options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


def unreached(page: Page) -> set[str]:
    """The numbers of the controls that the tabulator does not reach. AssertionError if there are none at all."""
    count = page.evaluate(NUMBER, CONTROLS)
    assert count > 0
    wanted, reached = {str(number) for number in range(count)}, set[str]()
    page.evaluate(FOLLOW)
    for _ in range(0, count + 80, PRESSES):  # and those around the content
        for _ in range(PRESSES):
            page.keyboard.press("Tab")
        reached |= set(page.evaluate("[...window.reached]"))
        if wanted <= reached:
            break
    return wanted - reached
