"""The tag with which a project's own index shows the status."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.template import Context, Template
from django.test import Client, RequestFactory

from tests.support.admin import payload, staff

pytestmark = pytest.mark.django_db


def rendered(request: HttpRequest | None) -> str:
    template = Template("{% load notifications_status %}{% status_tiles %}[{% status_address %}]")
    return template.render(Context({"request": request} if request else {})).strip()


def request_of(user: User | AnonymousUser) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_who_may_sees_the_tiles_and_the_way_to_the_page() -> None:
    page = rendered(request_of(User.objects.create_superuser("root")))
    assert 'id="tile-waiting"' in page
    assert 'href="/static/notifications/status.css"' in page
    assert page.count('"/admin/notifications/status/"') == 1
    assert page.endswith("[/admin/notifications/status/]")


def test_who_may_not_sees_nothing() -> None:
    assert rendered(request_of(User.objects.create_user("ada", is_staff=True))) == "[]"
    assert rendered(request_of(AnonymousUser())) == "[]"
    assert rendered(None) == "[]"
    assert rendered(RequestFactory().get("/")) == "[]"


def test_the_sites_index_has_them_and_that_of_one_app_does_not(admin: Client) -> None:
    payload()
    assert "1 payload waits" in admin.get("/admin/").content.decode()
    assert 'class="tiles"' not in admin.get("/admin/notifications/").content.decode()
    assert 'class="tiles"' not in staff().get("/admin/").content.decode()
