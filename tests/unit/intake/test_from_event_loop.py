"""akeep() and acapture(): keep() from an event loop, and never beside a transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections, transaction
from django.db.transaction import TransactionManagementError

from notifications import akeep, keep
from notifications.conf import conf
from notifications.errors import KeyReused, UnknownSource
from notifications.models import RawPayload

pytestmark = pytest.mark.usefixtures("state_dir")


@pytest.mark.django_db
def test_keeps_with_all_that_keep_takes() -> None:
    receipt = async_to_sync(akeep)("demo", b"1", content_type="text/plain", headers={"X-A": "b"}, key="k")
    stored = RawPayload.objects.get()
    assert (stored.receipt, stored.body, stored.content_type) == (receipt, b"1", "text/plain")
    assert (stored.headers, stored.idempotency_key) == ({"x-a": "b"}, "k")
    assert receipt == keep("demo", b"1", key="k")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "arguments"),
    [(UnknownSource, {"source": "nobody", "body": b""}), (KeyReused, {"source": "demo", "body": b"2", "key": "k"})],
)
def test_raises_what_keep_raises(error: type[Exception], arguments: dict[str, Any]) -> None:
    keep("demo", b"1", key="k")
    with pytest.raises(error):
        async_to_sync(akeep)(**arguments)


def in_another_loop(work: Callable[[], Awaitable[object]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]  # a coroutine


async def keep_one() -> object:
    return await akeep("demo", b"1")


@pytest.mark.usefixtures("sqlite_file")
def test_refuses_inside_a_transaction_of_another_database_too(tmp_path: Path) -> None:
    connections.settings["other"] = connections.settings["default"] | {"NAME": str(tmp_path / "other.sqlite3")}
    try:
        with transaction.atomic(using="other"), pytest.raises(TransactionManagementError, match="inside atomic"):
            in_another_loop(keep_one)
    finally:
        connections["other"].close()
        del connections["other"], connections.settings["other"]


@pytest.mark.django_db(transaction=True)
class TestInsideTransactions:
    @pytest.mark.parametrize("run", [lambda work: async_to_sync(work)(), in_another_loop])
    def test_refuses_and_says_what_to_write(self, run: Callable[[Callable[[], Awaitable[object]]], None]) -> None:
        message = (
            r"akeep\(\) inside atomic\(\).*`await sync_to_async\(f\)\(\)`, where f\(\) opens atomic\(\) and calls keep"
        )
        with transaction.atomic(), pytest.raises(TransactionManagementError, match=message):
            run(keep_one)
        assert not RawPayload.objects.exists()

    def test_takes_what_comes_after_it(self) -> None:
        with transaction.atomic():
            pass
        async_to_sync(keep_one)()
        assert RawPayload.objects.get().body == b"1"

    def test_what_it_says_to_write_works(self) -> None:
        def work() -> None:
            with transaction.atomic():
                keep("demo", b"1")
                transaction.set_rollback(True)
            with transaction.atomic():
                keep("demo", b"2")

        async_to_sync(sync_to_async(work))()
        assert RawPayload.objects.get().body == b"2"

    def test_in_a_loop_of_its_own(self) -> None:
        """As in a program that runs asyncio itself: Django's one thread for such loops does it."""

        async def work() -> None:
            await asyncio.gather(*(akeep("demo", b"%d" % number) for number in range(20)))
            await sync_to_async(connections.close_all)()

        asyncio.run(work())
        assert sorted(int(bytes(payload.body)) for payload in RawPayload.objects.all()) == list(range(20))


@pytest.mark.django_db
def test_keep_itself_does_not_block_a_loop() -> None:
    """Django refuses the database there. Nothing is stored, not in the spool either."""

    async def work() -> None:
        keep("demo", b"1")

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(work())
    assert not RawPayload.objects.exists()
    assert not any((conf.state_dir / "spool").glob("*"))


@pytest.mark.django_db
def test_a_test_case_is_no_transaction_of_the_caller() -> None:
    """TestCase has one around each test, and this fixture is like it."""
    assert transaction.get_connection().in_atomic_block
    async_to_sync(keep_one)()
    assert RawPayload.objects.get().body == b"1"
