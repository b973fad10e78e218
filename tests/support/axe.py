"""axe-core's rules of WCAG 2.2 AA, run on an open page."""

from contextlib import suppress
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Page

RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: A page that refreshes itself may change while axe looks at it: it looks again.
LOOKS: Final = 5


def violations(page: Page) -> list[Any]:
    """What it finds: rule and elements. The page's context must bypass its policy, since axe-core styles elements."""
    for _ in range(LOOKS - 1):
        with suppress(Error):
            return _found(page)
    return _found(page)


def _found(page: Page) -> list[Any]:
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}}).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]
