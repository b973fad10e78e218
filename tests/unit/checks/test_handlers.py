"""manage.py check: handlers that cannot be loaded, are missing, or that nothing calls."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage
from django.db import connection

from notifications.checks.handlers import check_handlers
from notifications.checks.settings import check_alert_channel
from notifications.handlers import event_handlers, payload_handlers
from tests.support.processes import Site

Write = Callable[[str], None]


def say(messages: list[CheckMessage]) -> str:
    assert all(message.hint for message in messages)
    return "\n".join(f"{message.id} {message.msg}" for message in messages)


@pytest.fixture
def shop(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes the handlers module of an installed app."""
    monkeypatch.syspath_prepend(tmp_path)
    for registry in (payload_handlers, event_handlers):
        for name, handler in list(registry.items()):
            monkeypatch.setitem(registry, name, handler)  # as it is now, it will be again
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "__init__.py").touch()

    def write(source: str) -> None:
        (folder / "handlers.py").write_text(source)
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "shop"]

    yield write
    for registry in (payload_handlers, event_handlers):
        registry.pop("shop", None)
        registry.pop("REPORT", None)
        registry.pop("SHOP", None)
    for name in ("shop", "shop.handlers"):
        sys.modules.pop(name, None)


def test_the_site_has_none() -> None:
    assert check_handlers() == []
    assert payload_handlers.keys() >= settings.NOTIFICATIONS_SOURCES.keys()


def test_a_source_without_a_handler(settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = settings.NOTIFICATIONS_SOURCES | {"strpe": {"http": True}}
    (message,) = check_handlers()
    assert message.id == "notifications.W006"
    assert "'strpe'" in message.msg
    assert '@on_payload("strpe")' in str(message.hint)


def test_a_handler_without_a_source(shop: Write) -> None:
    shop('from notifications import on_payload\n@on_payload("shop")\ndef sell(payload): ...\n')
    (message,) = check_handlers()
    assert message.id == "notifications.W009"
    assert message.msg.startswith("shop.handlers.sell handles 'shop'")
    assert '"shop": {}' in str(message.hint)


def test_a_function_that_has_the_name_of_a_channel(shop: Write) -> None:
    shop('from notifications import on_event\n@on_event("REPORT")\ndef count(event): ...\n')
    (message,) = check_handlers()
    assert message.id == "notifications.W010"
    assert message.msg.startswith("shop.handlers.count is never called: 'REPORT'")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f(:\n", "SyntaxError: invalid syntax (handlers.py, line 1) ({folder}/shop/handlers.py:1)"),
        ("x = 1\nimport strpe\n", "No module named 'strpe' (shop/handlers.py:2, <module>)"),
        ("\n\nx = {}['a']\n", "KeyError: 'a' (shop/handlers.py:3, <module>)"),
        ("import json\njson.loads('')\n", "(shop/handlers.py:2, <module>)"),
        (
            'from notifications import on_payload\n@on_payload("shop", retry_on=ValueError)\ndef f(payload): ...\n',
            "write a tuple of exception classes, such as retry_on=(ConnectionError,) (shop/handlers.py:2, <module>)",
        ),
    ],
)
def test_a_module_that_cannot_be_imported(shop: Write, tmp_path: Path, source: str, said: str) -> None:
    shop(source)
    (message,) = check_handlers()
    assert message.id == "notifications.E015"
    assert message.msg.startswith("shop.handlers cannot be imported: ")
    assert said.format(folder=tmp_path) in message.msg


def test_a_module_that_reads_the_database_as_it_is_imported(shop: Write) -> None:
    shop("from notifications.models import RawPayload\nFIRST = RawPayload.objects.first()\n")
    (message,) = check_handlers()
    assert message.id == "notifications.W005", "an error would keep `manage.py migrate` from making the tables"
    assert "(shop/handlers.py:2, <module>)" in message.msg
    assert "ensure_connection" not in vars(connection)


def test_it_can_be_checked_again_once_it_was_mended(shop: Write, tmp_path: Path) -> None:
    shop("import strpe\n")
    assert "strpe" in say(check_handlers())
    (tmp_path / "shop" / "handlers.py").write_text("x = 'longer than before, whatever the clock of the file says'\n")
    assert check_handlers() == []


def test_an_alert_channel_that_is_a_function(shop: Write, settings: Any) -> None:
    """Which no other check may have loaded yet."""
    shop('from notifications import on_event\n@on_event("SHOP")\ndef tell(event): ...\n')
    settings.NOTIFICATIONS_ALERT_CHANNEL = "SHOP"
    assert check_alert_channel() == []


def test_migrate_on_a_machine_that_has_no_database_yet(site: Site) -> None:
    site.env["DJANGO_SETTINGS_MODULE"] = "tests.app_settings"
    assert "no issues" in site.manage("check", "--fail-level", "WARNING")
    assert not (site.folder / "state" / "proppy.sqlite3").exists()
    assert site.manage("migrate", "--verbosity", "0") == ""
    assert (site.folder / "state" / "proppy.sqlite3").exists()


def test_the_apps_are_as_they_were() -> None:
    assert not apps.is_installed("shop")
