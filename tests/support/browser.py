"""Headless Chromium: the system's package, driven by playwright."""

import os
import shutil
from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, ViewportSize, sync_playwright

DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
#: What pages are looked at in: each colour scheme and each width. A release is tried in light and wide as well.
LOOKS: Final[list[Any]] = [
    pytest.param(DESKTOP, "light", marks=pytest.mark.release, id="light"),
    pytest.param(DESKTOP, "dark", id="dark"),
    pytest.param(PHONE, "light", id="phone"),
]
# Without them Chromium calls home at every start, and floods a closed network with refused connections.
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of one module.

    Playwright keeps an event loop running in this thread, and Django's connections are others then (asgiref's Local): a
    child that a later test forks has no loop, and would find the database of another test.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("no Chromium here: apt-get install chromium (tests/install-services)")
    # Django would refuse the database to whom a loop runs.
    patch = pytest.MonkeyPatch()
    patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        # Chromium's sandbox refuses to start as root.
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS, chromium_sandbox=os.getuid() != 0)
        yield running
        running.close()
    patch.undo()


@pytest.fixture
def viewport() -> ViewportSize:
    """The size of the page; `@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])` changes it."""
    return DESKTOP


@pytest.fixture
def page(browser: Browser, viewport: ViewportSize) -> Iterator[Page]:
    """An empty page without cookies. An uncaught script error or a blocked resource (CSP) fails the test."""
    problems: list[str] = []
    context = browser.new_context(viewport=viewport)
    context.set_default_timeout(15_000)
    opened = context.new_page()
    opened.on("pageerror", lambda error: problems.append(_script_error(error)))
    opened.on("console", lambda message: problems.extend(_policy_violation(message)))
    yield opened
    context.close()
    assert problems == [], problems


def _script_error(error: Error) -> str:
    return f"{error.name}: {error.message}"


def _policy_violation(message: ConsoleMessage) -> list[str]:
    is_violation = message.type == "error" and "Content Security Policy" in message.text
    return [message.text] if is_violation else []
