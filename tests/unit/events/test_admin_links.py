"""Links of messages to rows of the admin."""

from typing import Any

import pytest

from notifications.events.admin_links import admin_path, link, with_link
from notifications.models import FailureGroup, RawPayload


def test_paths() -> None:
    assert admin_path(FailureGroup, 3) == "/admin/notifications/failuregroup/3/change/"
    assert admin_path(RawPayload) == "/admin/notifications/rawpayload/"
    assert admin_path(RawPayload, state="dead") == "/admin/notifications/rawpayload/?state=dead"


def test_a_project_without_an_admin(settings: Any) -> None:
    settings.ROOT_URLCONF = "notifications.urls"
    assert admin_path(FailureGroup, 3) == ""


@pytest.mark.parametrize("url", ["https://shop.example.org", "https://shop.example.org/"])
def test_links(settings: Any, url: str) -> None:
    settings.NOTIFICATIONS_SITE_URL = url
    assert link("/admin/") == "https://shop.example.org/admin/"
    assert link("") == ""
    assert with_link("x", "/admin/") == "x\nhttps://shop.example.org/admin/"
    assert with_link("x", "") == "x"


def test_without_the_sites_address(settings: Any) -> None:
    settings.NOTIFICATIONS_SITE_URL = ""
    assert link("/admin/") == ""
    assert with_link("x", "/admin/") == "x"
