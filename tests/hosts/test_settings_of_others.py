"""Settings that stock projects have, and the engine was not made for: each in a project of its own."""

import re

import pytest

from tests.support.host_project import URLS, HostProject, Request

pytestmark = [pytest.mark.slow, pytest.mark.release]

POSTS = (Request("/in/demo/", b"{}"), Request("/in/fails/", b"x"))


def drained(host: HostProject) -> str:
    """What both workers say."""
    return host.manage("process_raw", "--drain") + host.manage("follow_journal", "--drain")


def test_a_stock_project(host: HostProject) -> None:
    assert "No changes detected" in host.manage("makemigrations", "--check", "--dry-run")
    host.manage("migrate", "--verbosity", "0")
    assert [each.status for each in host.ask(*POSTS)] == [202, 202]
    assert "handled demo 2" in drained(host)
    assert len(host.crawl()) > 10


def test_no_time_zones(host: HostProject) -> None:
    host.add_settings("USE_TZ = False\nTIME_ZONE = 'America/New_York'")
    host.manage("migrate", "--verbosity", "0")
    assert [each.status for each in host.ask(*POSTS)] == [202, 202]
    host.python("from notifications import emit; emit('SLACK', 'hello'); emit('REPORT', 'sign-up')")
    said = drained(host)
    assert "handled demo 2" in said
    assert "hello" in said
    assert len(host.crawl()) > 10
    assert re.search(r"dead +1\n", host.manage("proppy_status"))
    assert "1 payloads" in host.manage("replay_raw", "--dry-run")
    host.manage("replay_raw")
    host.manage("prune_raw", "--days", "0")
    assert "No changes detected" in host.manage("makemigrations", "--check", "--dry-run")


def test_another_auto_field(host: HostProject) -> None:
    host.add_settings("DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'")
    assert "No changes detected" in host.manage("makemigrations", "--check", "--dry-run")


def test_numbers_with_separators(host: HostProject) -> None:
    host.add_settings("USE_THOUSAND_SEPARATOR = True\nLANGUAGE_CODE = 'en'")
    host.manage("migrate", "--verbosity", "0")
    host.python(
        "from notifications import keep\nfrom notifications.models import RawPayload, FailureGroup\n"
        "keep('fails', b'x'); RawPayload.objects.update(id=1234567)"
    )
    host.manage("process_raw", "--drain")
    seen = host.crawl()
    assert len(seen) > 5
    assert not [page for page, text in seen.items() if "1,234" in text or "1,234" in page]
    assert any("1234567" in text for text in seen.values())
    assert "1,234" not in host.manage("replay_raw", "--dry-run") + host.manage("proppy_status")


def test_a_transaction_for_each_request_and_a_login(host: HostProject) -> None:
    host.add_settings(
        "DATABASES['default']['ATOMIC_REQUESTS'] = True\n"
        "DATABASES['other'] = {'ENGINE': 'django.db.backends.sqlite3', 'NAME': '/nowhere/at.all',"
        " 'ATOMIC_REQUESTS': True}\n"
        "MIDDLEWARE += ['django.contrib.auth.middleware.LoginRequiredMiddleware']"
    )
    host.manage("migrate", "--verbosity", "0")
    assert host.ask(POSTS[0])[0].status == 202
    assert [host.get(path).status for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 200]


def test_a_user_of_their_own(host: HostProject) -> None:
    host.write(
        "shop/models.py",
        "from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin\n"
        "from django.db import models\n\n"
        "class Users(BaseUserManager):\n"
        "    def create_superuser(self, email, password):\n"
        "        return self.create(email=email, is_superuser=True)\n\n"
        "class Customer(AbstractBaseUser, PermissionsMixin):\n"
        "    email = models.EmailField(primary_key=True)\n"
        "    is_staff = True\n"
        "    USERNAME_FIELD = 'email'\n"
        "    objects = Users()\n",
    )
    host.add_settings("AUTH_USER_MODEL = 'shop.Customer'")
    host.manage("makemigrations", "shop", "--verbosity", "0")
    host.manage("migrate", "--verbosity", "0")
    host.ask(POSTS[1])
    drained(host)
    assert len(host.crawl()) > 10


def test_below_a_path(host: HostProject) -> None:
    host.add_settings("FORCE_SCRIPT_NAME = '/shop'\nMIDDLEWARE.insert(0, 'notifications.health.StatusPages')")
    host.manage("migrate", "--verbosity", "0")
    assert host.ask(Request("/in/demo/", b"{}", script_name="/shop"))[0].status == 202
    assert host.get("/metrics", script_name="/shop", headers={"host": "10.0.0.5"}).status == 200
    assert "no issues" in host.manage("check").lower() or "W0" in host.manage("check")


PREFIXED = """
from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path, re_path

def own(request, **_):
    return HttpResponse("their own")

urlpatterns = [path("admin/", admin.site.urls), path("metrics", own), ENGINE, re_path(r"^.*$", own)]
"""


def test_their_own_metrics_stay_theirs_and_ours_are_below_a_prefix(host: HostProject) -> None:
    host.write("config/urls.py", PREFIXED.replace("ENGINE", 'path("proppy/", include("notifications.urls"))'))
    host.add_settings("MIDDLEWARE.insert(0, 'notifications.health.StatusPages')")
    host.manage("migrate", "--verbosity", "0")
    assert "notifications.W05" not in host.manage("check")
    assert host.get("/metrics").text == "their own"
    assert "proppy_database_up 1" in host.get("/proppy/metrics", headers={"host": "10.0.0.5"}).text
    assert host.get("/healthz").text == "their own"
    assert host.ask(Request("/proppy/in/demo/", b"{}"))[0].status == 202


def test_a_page_of_the_same_name_is_reported(host: HostProject) -> None:
    host.write("config/urls.py", PREFIXED.replace("ENGINE", 'path("", include("notifications.urls"))'))
    said = host.manage("check")
    assert "notifications.W053" in said
    assert "config.urls.own and the engine have a page /metrics" in said
    assert "notifications.W052" not in said


def test_a_catch_all_in_front_is_reported(host: HostProject) -> None:
    swapped = PREFIXED.replace('re_path(r"^.*$", own)', 'path("", include("notifications.urls"))')
    host.write("config/urls.py", swapped.replace("ENGINE", 're_path(r"^.*$", own)'))
    assert "/in/demo/ is answered by config.urls.own, not by the engine" in " ".join(host.manage("check").split())


def test_urls_of_each_language(host: HostProject) -> None:
    host.add_settings("MIDDLEWARE.insert(2, 'django.middleware.locale.LocaleMiddleware')")
    urls = URLS.replace("from django.contrib", "from django.conf.urls.i18n import i18n_patterns\nfrom django.contrib")
    host.write("config/urls.py", urls.replace('path("", include', '*i18n_patterns(path("", include').replace("]", ")]"))
    assert "notifications.W051" in host.manage("check")
    host.write(
        "config/urls.py",
        urls.replace('path("admin/", admin.site.urls)', '*i18n_patterns(path("admin/", admin.site.urls))'),
    )
    assert "notifications.W05" not in host.manage("check")
    host.manage("migrate", "--verbosity", "0")
    german = {"accept-language": "de"}
    answers = host.ask(Request("/in/demo/", b"{}", german), Request("/in/nobody/", b"", german))
    assert [each.status for each in answers] == [202, 404]
    assert len(host.crawl(admin="/en/admin/")) > 5
