"""A real PostgreSQL that is restarted, or fails over to another, under a site, two workers and a client that posts."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import Error, connection
from pytest_django import DjangoDbBlocker

from notifications.models import RawPayload
from proppy.environment import database
from tests.support.database import use_database
from tests.support.machines import Client, Machines, effects, left
from tests.support.postgres import Postgres, StopMode
from tests.support.processes import Site
from tests.support.wait import wait_for

pytestmark = pytest.mark.services
HOW: list[StopMode] = ["immediate", "fast", "immediate", "fast"]


@pytest.fixture
def two(own: Postgres) -> Iterator[Postgres]:
    """Its hot standby, without which it confirms no commit."""
    with Postgres(fsync=False, standby_of=own) as standby:
        own.configure("synchronous_standby_names", "*")
        yield standby


def at_work(machines: Machines) -> Site:
    """Two machines with a worker each; the one that has the web server too."""
    sites = [machines.add(name) for name in "ab"]
    sites[0].migrate()
    for site in sites:
        site.start("process_raw", "--batch", "10")
    sites[0].start("web")
    return sites[0]


def when_back(count: int) -> bool:
    """Whether so many are there, and all of them done. False while this process's connection is a dead one."""
    try:
        return RawPayload.objects.count() >= count and left() == 0
    except Error:
        connection.close()
        return False


def assert_each_once(client: Client) -> None:
    """Each that was acknowledged had its effect once, and those that were refused had none, or once."""
    found = effects()
    assert set(found.values()) == {1}
    assert client.receipts.keys() <= found.keys()
    stored = {str(receipt) for receipt in RawPayload.objects.values_list("receipt", flat=True)}
    assert set(client.receipts.values()) <= stored
    assert RawPayload.objects.count() == len(found)


def post_some(client: Client, more: int = 40) -> None:
    wanted = len(client.receipts) + more
    wait_for(lambda: len(client.receipts) >= wanted, timeout=60, message=f"{more} more receipts: {client.refusals}")


def test_no_restart_loses_what_was_acknowledged(
    own: Postgres, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    with ExitStack() as stack:
        machines = Machines(tmp_path, own.url)
        stack.callback(machines.stop)
        site = at_work(machines)
        with Client(site, "c") as client:
            post_some(client)
            for how in HOW:
                own.stop(how)
                post_some(client)
                own.start()
                post_some(client)
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(use_database(own.url))
        wait_for(lambda: when_back(len(client.receipts)), timeout=90, message="all of them done")
        assert client.refusals == []
        assert_each_once(client)
        for machine in machines.sites:
            assert machine.terminate("process_raw") == 0
            assert list((machine.folder / "state" / "spool").glob("*")) == []


def fail_over(own: Postgres, two: Postgres, how: str) -> None:
    """The first goes away, or takes no writes any more from those who are connected; the second takes over."""
    if how == "stopped":
        own.stop("immediate")
    else:
        own.configure("default_transaction_read_only", "on")
    two.promote()


@pytest.mark.parametrize("how", ["stopped", "read-only"])
def test_the_second_of_two_hosts_takes_over(
    own: Postgres, two: Postgres, how: str, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    with ExitStack() as stack:
        # The standby is named first: it is passed over for as long as it is one.
        machines = Machines(tmp_path, f"postgres://postgres@127.0.0.1:{two.port},127.0.0.1:{own.port}/postgres")
        stack.callback(machines.stop)
        site = at_work(machines)
        with Client(site, "c") as client:
            post_some(client)
            fail_over(own, two, how)
            post_some(client)
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(use_database(two.url))
        wait_for(lambda: when_back(len(client.receipts)), timeout=90, message="all of them done")
        assert client.refusals == []
        assert_each_once(client)
        assert [machine.terminate("process_raw") for machine in machines.sites] == [0, 0]


def test_without_a_host_that_takes_writes_there_is_no_connection(own: Postgres, two: Postgres) -> None:
    config = database(f"postgres://postgres@127.0.0.1:{two.port},127.0.0.1:{own.port}/postgres", Path("/"))
    assert connect(config) == own.port
    own.configure("default_transaction_read_only", "on")
    with pytest.raises(psycopg.OperationalError, match="read-only"):
        connect(config)
    anybody = database(
        f"postgres://postgres@127.0.0.1:{two.port},127.0.0.1:{own.port}/postgres?target_session_attrs=any", Path("/")
    )
    assert connect(anybody) == two.port


def connect(config: dict[str, Any]) -> int:
    """As Django does; the port of the server that was chosen."""
    where = {"dbname": config["NAME"], "user": config["USER"], "host": config["HOST"], "port": config["PORT"]}
    with psycopg.connect(**where, **config["OPTIONS"]) as connection:
        return connection.info.port
