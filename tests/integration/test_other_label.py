"""A project that has an app labelled `notifications`, and so gives the engine a label of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stock_project import DATABASE, StockProject

ENGINE = """
from notifications.apps import NotificationsConfig


class Engine(NotificationsConfig):
    label = "proppy_engine"
"""
MODELS = """
from django.db import models


class Bell(models.Model):
    name = models.TextField()
"""
ADMIN = """
from django.contrib import admin

from shop.notifications.models import Bell

admin.site.register(Bell, search_fields=["name"])
"""
MORE = DATABASE + 'INSTALLED_APPS += ["shop.notifications"]\n'
#: Posts two orders, of which one fails. Prints the statuses.
POST = """
from django.test import Client
import json

post = Client(SERVER_NAME="localhost").post
answers = [post("/in/order/", body, content_type="text/plain") for body in (b"fine", b"fails")]
print(json.dumps([answer.status_code for answer in answers]))
"""
#: Visits each page of the admin, and retries the failed order there.
CRAWL = """
import json, re
from django.contrib.auth.models import User
from django.test import Client
from notifications.models import RawPayload
from shop.notifications.models import Bell

Bell.objects.create(name="a")
client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.create_superuser("root"))
seen, left = {}, ["/admin/"]
while left:
    page = left.pop()
    answer = client.get(page)
    seen[page] = answer.status_code
    if "?" not in page and not answer.streaming:  # a filter's page links to all of them, in all combinations
        links = (link.replace("&amp;", "&") for link in re.findall(r'href="([^"]*)"', answer.text))
        links = (page + link if link.startswith("?") else link for link in links)
        ours = ("/admin/proppy_engine/", "/admin/notifications/")
        left += [link for link in links if link.startswith(ours) and link not in seen]
payload = RawPayload.objects.get(state="retrying")
page = f"/admin/proppy_engine/rawpayload/{payload.pk}/change/"
asked = {"action": "process_again", "_selected_action": payload.pk, "index": 0, "from_page": payload.pk}
answer = client.post("/admin/proppy_engine/rawpayload/", asked | {"confirmed": "yes"})
print(json.dumps({
    "seen": seen,
    "has button": "Process again" in client.get(page).text,
    "keyset": 'class="paginator keyset"' in client.get("/admin/proppy_engine/rawpayload/").text,
    "theirs": 'class="paginator keyset"' in client.get("/admin/notifications/bell/").text,
    "retry": [answer.status_code, answer["Location"] == page],
    "attempts": RawPayload.objects.get(pk=payload.pk).attempts,
}))
"""
TABLES = """
import json
from django.contrib.auth.models import Permission
from django.db import connection

tables = [name for name in connection.introspection.table_names() if "rawpayload" in name or "bell" in name]
labels = Permission.objects.filter(codename="view_body").values_list("content_type__app_label", flat=True)
print(json.dumps([sorted(tables), list(labels)]))
"""
COUNTS = """
import json
from notifications.models import RawPayload, ReportRow

print(json.dumps(sorted(RawPayload.objects.values_list("state", flat=True))))
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[StockProject]:
    project = StockProject(tmp_path / "other", MORE, engine="shop.engine.Engine")
    project.add("shop/engine.py", ENGINE)
    project.add("shop/notifications/__init__.py", "")
    project.add("shop/notifications/models.py", MODELS)
    project.add("shop/notifications/admin.py", ADMIN)
    yield project
    project.stop()


@pytest.mark.slow
def test_all_of_the_engine_works_under_it(other: StockProject) -> None:
    assert "no issues" in other.manage("check")
    other.manage("makemigrations", "notifications", "--verbosity", "0")  # of the app shop.notifications
    other.manage("migrate", "--verbosity", "0")
    assert "No changes" in other.manage("makemigrations", "--check", "--dry-run")
    assert other.python(TABLES) == [["notifications_bell", "proppy_engine_rawpayload"], ["proppy_engine"]]

    assert other.python(POST) == [202, 202]
    other.manage("process_raw", "--drain")
    other.manage("follow_journal", "--drain")
    assert other.python(COUNTS) == ["done", "retrying"]

    crawled = other.python(CRAWL)
    pages = crawled.pop("seen")
    assert {page: status for page, status in pages.items() if status != 200} == {}
    assert {page.split("/")[2] for page in pages if page.endswith("/change/")} == {"proppy_engine", "notifications"}
    assert any(page.endswith("/body/") for page in pages)
    assert any("?state=" in page for page in pages)
    expected = {"has button": True, "keyset": True, "theirs": False, "retry": [302, True], "attempts": 0}
    assert crawled == expected

    other.manage("process_raw", "--drain")
    assert "retrying" in other.manage("replay_raw", "--state", "retrying", "--dry-run")
    other.manage("replay_raw", "--state", "done")
    other.manage("process_raw", "--drain")
    assert other.python(COUNTS) == ["done", "retrying"]
    assert '"retrying": 1' in other.manage("proppy_status", "--json")
    other.manage("prune_raw", "--days", "0")
    assert other.python(COUNTS) == ["retrying"]
