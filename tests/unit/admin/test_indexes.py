"""Each list of the admin, with each combination of its filters, reads one index and sorts nothing."""

import itertools
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from notifications.admin.lists import keyset
from notifications.admin.lists.filters import COUNTED
from notifications.admin.payloads.list import RawPayloadAdmin
from notifications.models import FailedDelivery, FailureGroup, Loss, Position, RawPayload, State
from tests.benchmarks.filling import fill
from tests.support.admin import FAILED, FAILURES, LIST, group
from tests.support.database import use_database
from tests.support.postgres import Postgres

#: More than a page of each state, and so few of most that a planner would sort them if it could.
ROWS = 12_000
EACH = 300
SOURCES = ("demo", "contact")
TABLES = (
    "notifications_rawpayload",
    "notifications_faileddelivery",
    "notifications_loss",
    "notifications_failuregroup",
)
STATES = [str(state) for state in State]
SORT = re.compile(r"TEMP B-TREE|(?<!Incremental )\bSort  \(")
#: The statement that counts the rows of a choice, no more than it shows.
COUNT_OF_CHIP = re.compile(rf"LIMIT {COUNTED + 1}$")

#: By what was chosen, in this order: the index that serves it.
INDEXES = {
    "failure": ["raw_failure"],
    "dead": ["raw_stuck"],
    "quarantined": ["raw_stuck"],
    "received": ["raw_due"],
    "processing": ["raw_due"],
    "retrying": ["raw_due"],
    "time": ["raw_time"],
    "source+done": ["raw_done"],
    "source": ["raw_source", "rawpayload_pkey"],  # PostgreSQL knows that every second one is of this source
    "": ["INTEGER PRIMARY KEY", "SCAN notifications_rawpayload", "rawpayload_pkey"],
}


def fill_tables() -> None:
    """Some of everything, and a superuser."""
    fill(ROWS, state="done")
    first, failing = RawPayload.objects.earliest("pk").pk, group()
    for number, state in enumerate(state for state in State if state != State.DONE):
        start = first + 2 * EACH * number
        some = RawPayload.objects.filter(pk__gte=start, pk__lt=start + EACH)
        waits = state in {State.RECEIVED, State.PROCESSING, State.RETRYING}
        due = F("received_at") if waits else None
        fails_as = failing if state in {State.DEAD, State.RETRYING} else None
        some.update(state=state, next_attempt_at=due, done_at=None, failure=fails_as)
    RawPayload.objects.filter(pk__gte=first + ROWS // 2).update(source="contact")
    _tell_lane()
    User.objects.create_superuser("root")
    if connection.vendor == "postgresql":  # nobody analyses SQLite
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _tell_lane() -> None:
    now = timezone.now()
    Position.objects.create(machine="m", journal="j", channel="SLACK")
    FailedDelivery.objects.bulk_create(
        FailedDelivery(
            channel="SLACK" if n % 2 else "OPS", event_time=now, text="x", reason="y", again_at=None if n % 20 else now
        )
        for n in range(3000)
    )
    Loss.objects.bulk_create(Loss(origin="o", reason="r", key=str(n), until=now) for n in range(3000))
    for n in range(300):
        group(f"E{n}", source=SOURCES[n % 2], last_at=now + timedelta(seconds=n))


@pytest.fixture(scope="module")
def migrated_sqlite(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Path:
    """With rows: what each test gets a copy of."""
    path = tmp_path_factory.mktemp("filled") / "filled.sqlite3"
    shutil.copy(migrated_sqlite, path)
    with django_db_blocker.unblock(), use_database(f"sqlite:///{path}"):
        fill_tables()
    return path


@pytest.fixture(scope="module")
def migrated_postgres(postgres: Postgres, django_db_blocker: DjangoDbBlocker) -> str:
    """The same on PostgreSQL."""
    url = postgres.create_database("filled")
    with django_db_blocker.unblock(), use_database(url):
        call_command("migrate", verbosity=0)
        fill_tables()
    return "filled"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def client(request: pytest.FixtureRequest) -> Client:
    request.getfixturevalue({"sqlite": "sqlite_file", "postgres": "postgres_database"}[request.param])
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # It would rather sort the last few rows of a range than fetch them in order. Without that we see whether
            # there is an order that it could use, as with millions it must.
            cursor.execute("SET enable_sort = off")
    client = Client()
    client.force_login(User.objects.get(username="root"))
    return client


def rendered(client: Client, address: str) -> Any:
    """What a page shows, by a visit."""
    return client.get(address).context["cl"]


def prepared(_: Client, address: str) -> Any:
    """The same without the HTML, which takes most of the time."""
    request = RequestFactory().get(address)
    request.user = User.objects.get(username="root")
    view = resolve(request.path)
    return view.func(request, *view.args, **view.kwargs).context_data["cl"]


def plan_of(sql: str) -> str:
    """How the database executes a statement."""
    with connection.cursor() as cursor:
        cursor.execute(f"{'EXPLAIN QUERY PLAN' if connection.vendor == 'sqlite' else 'EXPLAIN'} {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def pages(
    client: Client, address: str, visit: Callable[[Client, str], Any] = rendered
) -> Iterator[tuple[str, str, str]]:
    """The first page, the next one and the one before that: each statement of theirs that reads one of the big
    tables, with its address and how the database executes it."""
    for link in ("after_address", "before_address", ""):
        with CaptureQueriesContext(connection) as queries:
            changelist = visit(client, address)
            list(changelist.result_list)
        for sql in (query["sql"] for query in queries if any(f'FROM "{table}"' in query["sql"] for table in TABLES)):
            if not COUNT_OF_CHIP.search(sql):
                yield address, sql, plan_of(sql)
        part = getattr(changelist, link, "")
        if not part:
            return
        address = address.partition("?")[0] + part


def choices() -> Iterator[dict[str, str]]:
    """Each combination of the filters of payloads."""
    now = timezone.now()
    group_id = FailureGroup.objects.get(title="KeyError: 'price'").pk
    until = (now - timedelta(seconds=2)).isoformat()
    options = {
        "source": ["", "demo"],
        "state": ["", *STATES],
        "failure": ["", str(group_id)],
        "received": ["", "hour"],
        "until": ["", until],
    }
    for values in itertools.product(*options.values()):
        yield {name: value for name, value in zip(options, values, strict=True) if value}


def serving(chosen: dict[str, str]) -> list[str]:
    state = chosen.get("state", "")
    if "failure" in chosen:
        return INDEXES["failure"]
    if state and state in INDEXES:
        return INDEXES[state]
    if "received" in chosen or "until" in chosen:
        return INDEXES["time"]
    if "source" in chosen:
        return INDEXES["source+done" if state == "done" else "source"]
    return INDEXES[""]


@pytest.mark.slow
def test_every_choice_of_payloads_is_served_by_its_index(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset, "WINDOW", 1000)
    monkeypatch.setattr(RawPayloadAdmin, "list_per_page", 5)
    wrong = []
    for chosen in choices():
        visit = rendered if len(chosen) < 2 else prepared
        seen = [each for each in pages(client, f"{LIST}?{urlencode(chosen)}", visit) if "rawpayload" in each[1]]
        assert seen
        for address, sql, plan in seen:
            served = any(name in plan for name in serving(chosen))
            # Of two lower bounds SQLite would begin, or end, at the first: far from what is looked for.
            once = all(sql.count(f"notifications_rawpayload.id) {side}") < 2 for side in "<>")
            if "COUNT(" in sql or SORT.search(plan) or not served or not once:
                wrong.append(f"{address}\n{sql}\n{plan}")
    assert not wrong, f"{len(wrong)}, such as:\n" + "\n\n".join(wrong[:12])


@pytest.mark.parametrize(
    "address",
    [
        f"{FAILED}",
        f"{FAILED}?channel=SLACK",
        f"{FAILED}?again=yes",
        f"{FAILED}?again=no",
        f"{FAILED}?channel=SLACK&again=yes",
        f"{FAILED}?channel=SLACK&again=no",
        FAILURES,
        f"{FAILURES}?source=demo",
        "/admin/notifications/loss/",
    ],
)
def test_the_other_lists_sort_nothing(client: Client, address: str) -> None:
    for each, sql, plan in pages(client, address):
        if " GROUP BY " in sql and address == FAILED:  # the groups: sorted are those, not what is in them
            assert connection.vendor != "sqlite" or "USING COVERING INDEX failed_group" in plan, plan
            continue
        assert not SORT.search(plan), f"{each}\n{sql}\n{plan}"
        assert "rawpayload" in sql or "COUNT(" not in sql


@pytest.mark.parametrize("address", [LIST, FAILED, FAILURES, "/admin/notifications/loss/"])
def test_the_counts_of_choices_are_read_from_indexes(client: Client, address: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")  # as with millions of rows
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    counts = [query["sql"] for query in queries if COUNT_OF_CHIP.search(query["sql"])]
    assert counts
    for sql in counts:
        plan = plan_of(sql)
        assert re.search(r"\bINDEX\b|Index (Only )?Scan", plan), f"{sql}\n{plan}"


@pytest.mark.parametrize("term", ["receipt", "start", "order-7"])
def test_search_for_a_receipt_or_a_key_reads_indexes(client: Client, term: str) -> None:
    first = RawPayload.objects.earliest("pk")
    RawPayload.objects.filter(pk=first.pk).update(idempotency_key="order-7")
    terms = {"receipt": str(first.receipt), "start": str(first.receipt)[:9], "order-7": "order-7"}
    found = list(pages(client, f"{LIST}?q={terms[term]}"))
    assert found
    for _, sql, plan in found:
        assert "Seq Scan" not in plan, f"{sql}\n{plan}"
        assert "SCAN notifications_rawpayload" not in plan, f"{sql}\n{plan}"


@pytest.mark.parametrize("choice", ["", "&state=dead", "&source=demo", "&received=hour", "&state=retrying"])
@pytest.mark.parametrize("sorting", ["", "&o=4", "&o=-4", "&o=-6", "&o=7"])
def test_search_and_sorting_scan_a_window_and_sort_nothing(client: Client, choice: str, sorting: str) -> None:
    for query in (f"q=nothing+like+it{choice}{sorting}", f"q={choice}{sorting}"):
        for each, sql, plan in pages(client, f"{LIST}?{query}"):
            assert not SORT.search(plan), f"{each}\n{sql}\n{plan}"
            assert "LIMIT" in sql or '"id" IN (' in sql or "rawpayload.id) >" in sql, sql
