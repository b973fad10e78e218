"""A project with two admin sites: what is done in one stays there."""

from typing import Any, Final

import pytest
from django.contrib import admin as django_admin
from django.contrib.admin import AdminSite
from django.test import Client
from django.urls import path

from notifications.admin import FailureGroupAdmin, LossAdmin, RawPayloadAdmin
from notifications.models import FailureGroup, Loss, RawPayload
from notifications.utils.times import utc_now
from tests.support.admin import group, payload

pytestmark = pytest.mark.django_db

other_site: Final = AdminSite(name="other")
other_site.register(Loss, LossAdmin)
other_site.register(RawPayload, RawPayloadAdmin)
other_site.register(FailureGroup, FailureGroupAdmin)
urlpatterns = [path("admin/", django_admin.site.urls), path("other/", other_site.urls)]


@pytest.mark.parametrize("site", ["admin", "other"])
@pytest.mark.parametrize(
    ("model", "action", "make"),
    [
        ("loss", "mark_seen", lambda: Loss.objects.create(origin="o", reason="r", key="k", until=utc_now())),
        ("rawpayload", "give_up", payload),
        ("failuregroup", "acknowledge", group),
    ],
)
def test_after_an_action_people_are_back_on_the_page_of_the_same_site(
    admin: Client, settings: Any, site: str, model: str, action: str, make: Any
) -> None:
    settings.ROOT_URLCONF = __name__
    row, address = make(), f"/{site}/notifications/{model}/"
    chosen = {"action": action, "index": "0", "_selected_action": row.pk, "from_page": row.pk}
    assert admin.post(address, chosen).headers["Location"] == f"{address}{row.pk}/change/"
