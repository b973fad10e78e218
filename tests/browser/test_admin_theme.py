"""Our pages in an admin with other colours: what is not the colour of a state follows the admin's own variables."""

from collections.abc import Iterator
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.support.axe import violations
from tests.support.browser import PHONE
from tests.support.crowded import PASSWORD, Crowded
from tests.support.processes import Site

pytestmark = pytest.mark.services

Scheme = Literal["light", "dark"]
#: Variables of Django's admin, for what is written on and for what is written.
GROUNDS: Final = (
    "body-bg darkened-bg selected-bg selected-row message-warning-bg hairline-color border-color primary secondary"
    " button-bg default-button-bg close-button-bg delete-button-bg breadcrumbs-bg"
)
INKS: Final = (
    "body-fg body-loud-color body-quiet-color body-medium-color link-fg link-selected-fg button-fg primary-fg accent"
    " header-color header-link-color breadcrumbs-fg breadcrumbs-link-fg"
)
FILL: Final = "from tests.support.shop_series import *; fill_series(90, shop=Shop(busy=500))"
#: Of the status page: selector, property, variable.
STATUS: Final = (
    ("body", "background-color", "body-bg"),
    (".tile-fine", "background-color", "darkened-bg"),
    (".tile-fine", "border-top-color", "border-color"),
    (".tile-fine .tile-title", "color", "body-quiet-color"),
    (".tile-fine .tile-title a", "color", "link-fg"),
    (".tile-critical .tile-title a", "color", "body-fg"),
    (".tile-state", "color", "body-loud-color"),
    (".tile-fact", "color", "body-fg"),
    (".verdict li", "color", "body-fg"),
    (".verdict li", "border-bottom-color", "hairline-color"),
    (".verdict .help", "color", "body-quiet-color"),
    (".verdict a", "color", "link-fg"),
    (".rate", "background-color", "darkened-bg"),
    (".rate dt", "color", "body-quiet-color"),
    (".rate strong", "color", "body-loud-color"),
    (".periods a:not([aria-current])", "border-top-color", "border-color"),
    (".periods a[aria-current]", "background-color", "button-bg"),
    (".periods a[aria-current]", "color", "button-fg"),
    (".chart-summary", "color", "body-quiet-color"),
    (".chart-legend a", "color", "link-fg"),
    (".chart-plot .tick + text", "fill", "body-quiet-color"),
    (".chart-plot .letter", "fill", "body-fg"),
    (".chart-plot .mark-name", "fill", "body-fg"),
    (".chart-plot .mark", "stroke", "body-fg"),
    (".chart-plot .base", "stroke", "body-quiet-color"),
    (".releases li", "border-bottom-color", "hairline-color"),
    (".routes td", "color", "body-fg"),
)
GRIDS: Final = {"light": "hairline-color", "dark": "body-quiet-color"}
#: Of the list of payloads on a phone, where each row is a card.
LIST: Final = (
    (".chip:not([aria-current])", "background-color", "body-bg"),
    (".chip:not([aria-current])", "border-top-color", "border-color"),
    (".chip:not([aria-current])", "color", "body-fg"),
    (".chip[aria-current]", "background-color", "button-bg"),
    (".chip[aria-current]", "color", "button-fg"),
    (".chip-title", "color", "body-quiet-color"),
    (".chip:not([aria-current]) .chip-count", "color", "body-quiet-color"),
    (".cards tbody tr", "border-top-color", "border-color"),
    (".cards tbody td.field-tried", "color", "body-fg"),
    (".cards tbody th a", "color", "link-fg"),
)
PAYLOAD: Final = (
    (".raw", "background-color", "darkened-bg"),
    (".raw", "border-top-color", "hairline-color"),
    (".life-steps .when", "color", "body-quiet-color"),
    (".life-steps li", "border-bottom-color", "hairline-color"),
)
COMPUTED: Final = (
    "([at, name]) => { const found = document.querySelector(at); return found && getComputedStyle(found)[name]; }"
)
#: The contrast of each colour of a line, and of a tile's edge, with the page.
CONTRASTS: Final = """() => {
    const light = text => text.match(/[\\d.]+/g).slice(0, 3).map(each => each / 255)
        .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0.05);
    const ground = light(getComputedStyle(document.body).backgroundColor);
    const probe = document.body.appendChild(document.createElement("i"));
    const names = ["1", "2", "3", "4", "5", "bad", "fine", "warning", "critical", "unknown"];
    return names.map(name => {
        probe.style.color = `var(--status-${name})`;
        const ink = light(getComputedStyle(probe).color);
        return [name, Math.max(ink, ground) / Math.min(ink, ground)];
    });
}"""


def colours(scheme: Scheme) -> dict[str, str]:
    """Of each variable one of its own: dark grounds in the light scheme, and light ones in the dark."""
    ground, ink = (30, 225) if scheme == "light" else (235, 25)
    bases = [*((name, ground) for name in GROUNDS.split()), *((name, ink) for name in INKS.split())]
    return {
        name: f"rgb({base}, {base - number // 2}, {base - number % 2})" for number, (name, base) in enumerate(bases)
    }


class Themed:
    """Somebody who looks at a crowded site in these colours."""

    def __init__(self, crowded: Crowded, page: Page, scheme: Scheme) -> None:
        self.crowded, self.page, self.colours = crowded, page, colours(scheme)
        page.goto(f"{crowded.site.url}/admin/")
        page.get_by_label("Username:").fill("root")
        page.get_by_label("Password:").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()

    def open(self, address: str) -> None:
        self.page.goto(f"{self.crowded.site.url}/admin/notifications/{address}")
        variables = "".join(f"--{name}: {value};" for name, value in self.colours.items())
        self.page.add_style_tag(content=f":root:root {{ {variables} }} * {{ transition: none !important; }}")

    def differs(self, expected: tuple[tuple[str, str, str], ...]) -> list[Any]:
        """What does not have the colour of its variable: selector, property, and the colour it has."""
        found = [(*each, self.page.evaluate(COMPUTED, list(each[:2]))) for each in expected]
        return [each for each in found if each[3] != self.colours[each[2]]]


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    chosen: Scheme = request.param
    return chosen


@pytest.fixture
def themed(site: Site, browser: Browser, scheme: Scheme) -> Iterator[Themed]:
    context = browser.new_context(viewport=PHONE, color_scheme=scheme, bypass_csp=True)
    crowded = Crowded(site)
    site.manage("shell", "--verbosity", "0", "-c", FILL)
    yield Themed(crowded, context.new_page(), scheme)
    context.close()


def test_another_theme_of_the_admin_holds_on_our_pages(themed: Themed, scheme: Scheme) -> None:
    payload = f"rawpayload/{themed.crowded.ids['rawpayload']}/change/"
    grid = (".chart-plot .grid", "stroke", GRIDS[scheme])
    expected = {"status/?period=hour": (*STATUS, grid), "rawpayload/?state=dead": LIST, payload: PAYLOAD}
    for address, of_page in expected.items():
        themed.open(address)
        assert themed.differs(of_page) == [], address
        assert violations(themed.page) == [], address


def test_colours_of_states_and_lines_can_be_told_from_the_page(site: Site, browser: Browser, scheme: Scheme) -> None:
    with browser.new_context(color_scheme=scheme) as context:
        page = context.new_page()
        Themed(Crowded(site), page, scheme)
        page.goto(f"{site.url}/admin/notifications/status/")
        assert [each for each in page.evaluate(CONTRASTS) if each[1] < 3] == []
