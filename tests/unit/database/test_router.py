"""The engine keeps to its one database, whatever routers say, and its rows follow the caller's transaction."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, router, transaction
from django.test import override_settings

from notifications import emit, keep
from notifications.database.router import PATH, install_router
from notifications.models import FailureGroup, RawPayload
from notifications.testing import Told, work_off


class Elsewhere:
    """A project's router that sends all reads to a replica, and all tables elsewhere."""

    def db_for_read(self, model: Any, **_: Any) -> str:
        return "other"

    def db_for_write(self, model: Any, **_: Any) -> str:
        return "other"

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool:
        return db == "other"


@pytest.fixture
def other(sqlite_file: Path, tmp_path: Path) -> Iterator[str]:
    """Another database of the project; `twin` is the same as `default`."""
    databases = {"default": connections.settings["default"]}
    databases["other"] = databases["default"] | {"NAME": str(tmp_path / "other.sqlite3")}
    databases["apart"] = dict(databases["other"])  # only here: what is logged of an alias is logged once
    databases["twin"] = dict(databases["default"])
    for alias in databases.keys() - {"default"}:
        connections.settings[alias] = connections.configure_settings(databases)[alias]
    yield "other"
    for alias in databases.keys() - {"default"}:
        connections[alias].close()
        del connections[alias], connections.settings[alias]


@pytest.fixture
def apart(other: str) -> str:
    return "apart"


@pytest.fixture
def moved(other: str, settings: Any) -> str:
    """The engine's database is the other one, and has its tables."""
    settings.NOTIFICATIONS_DATABASE = other
    settings.DATABASE_ROUTERS = []
    call_command("migrate", database=other, verbosity=0)
    return other


def test_it_is_in_front_of_the_projects_routers(other: str) -> None:
    with override_settings(DATABASE_ROUTERS=[Elsewhere()]):
        install_router()
        assert router.db_for_read(RawPayload) == router.db_for_write(FailureGroup) == "default"
        assert router.allow_migrate("default", "notifications")
        assert not router.allow_migrate("other", "notifications")
        assert not router.allow_migrate("default", "auth")


def test_a_project_with_one_database_gets_no_router(settings: Any) -> None:
    install_router()
    assert PATH not in settings.DATABASE_ROUTERS


def test_all_of_the_engine_is_in_the_database_that_is_named(moved: str, on_demo: Any) -> None:
    handled = []
    on_demo(lambda payload: handled.append(payload.body))
    receipt = keep("demo", b"x")
    assert RawPayload.objects.using(moved).get().receipt == receipt
    work_off()
    assert handled == [b"x"]
    assert RawPayload.objects.using(moved).get().state == "done"
    assert RawPayload.objects.using("default").count() == 0


def test_its_transaction_is_the_one_of_its_database(moved: str) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=moved):
        keep("demo", b"x")
        raise ZeroDivisionError
    assert not RawPayload.objects.exists()


def test_keep_follows_another_alias_of_the_same_database(other: str) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(using="twin"):
        keep("demo", b"x")
        raise ZeroDivisionError
    assert not RawPayload.objects.exists()
    with transaction.atomic(using="twin"):
        keep("demo", b"y")
    assert RawPayload.objects.get().body == b"y"


def test_keep_says_that_it_cannot_follow_another_database(apart: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), transaction.atomic(using=apart):
        keep("demo", b"x")
        keep("demo", b"y")
        assert RawPayload.objects.count() == 2
    assert caplog.text.count("keep() inside atomic(using='apart') stores in the database 'default' at once") == 1
    assert "transaction.on_commit(lambda: keep(…), using='apart')" in caplog.text


def texts(told: Told) -> list[str]:
    """Those of the events since the last call."""
    return [event.text for event in told.events()]


def test_an_event_follows_the_transaction_of_any_database(other: str, told: Told) -> None:
    with transaction.atomic(using=other):
        emit("SLACK", "committed")
        assert texts(told) == []
    assert texts(told) == ["committed"]
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=other):
        emit("SLACK", "rolled back")
        raise ZeroDivisionError
    assert texts(told) == []


def test_an_event_in_two_transactions_waits_for_both(other: str, told: Told) -> None:
    with transaction.atomic():
        with transaction.atomic(using=other):
            emit("SLACK", "both")
        assert texts(told) == []
    assert texts(told) == ["both"]
    with transaction.atomic(), pytest.raises(ZeroDivisionError), transaction.atomic(using=other):
        emit("SLACK", "one of them rolled back")
        raise ZeroDivisionError
    assert texts(told) == []
