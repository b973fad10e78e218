"""Several machines on one real PostgreSQL: each payload is handled once, even if workers die."""

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from notifications import keep
from notifications.models import RawPayload
from notifications.process_raw import claim_and_handle
from notifications.process_raw.claim_and_handle import ProcessRaw
from notifications.process_raw.time_limit import EXIT_HUNG
from notifications.store import wake_workers
from notifications.workers import loop
from notifications.workers.loop import Stop
from tests.support.child import BASE_DIR
from tests.support.machines import Client, Machines, effects, left
from tests.support.payloads import states
from tests.support.processes import Site
from tests.support.threads import in_threads
from tests.support.wait import wait_for

pytestmark = pytest.mark.services
NAMES = [f"payload {number}" for number in range(60)]


def keep_all(source: str, names: list[str]) -> None:
    for name in names:
        keep(source, name.encode())


def keep_elsewhere(site: Site, prefix: str, count: int) -> subprocess.Popen[bytes]:
    """A process of the product on that machine, which keeps so many."""
    command = [sys.executable, "-m", "tests.support.keep_many", prefix, str(count)]
    return subprocess.Popen(command, env=site.env, cwd=BASE_DIR)


def state(site: Site, name: str) -> Path:
    return site.folder / "state" / name


def hold(*sites: Site) -> None:
    """Let the slow handlers of these machines wait before their effects."""
    for site in sites:
        state(site, "hold-before").touch()


def let_go(*sites: Site) -> None:
    for site in sites:
        state(site, "hold-before").unlink()


def wait_until_at_work(*sites: Site) -> None:
    for site in sites:
        wait_for(state(site, "at-before").exists, timeout=60, message=f"a payload in the hands of {site.folder.name}")


def test_what_comes_to_two_sites_and_from_two_products_is_handled_once_by_three_workers(machines: Machines) -> None:
    sites = [machines.add(name) for name in "abc"]
    for site in sites:
        site.start("process_raw", "--batch", "5")
    for site in sites[:2]:
        site.start("web")
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(site, site.folder.name, interval=0.005)) for site in sites[:2]]
        products = [keep_elsewhere(site, f"kept-{site.folder.name}", 100) for site in sites[1:]]
        assert [product.wait(120) for product in products] == [0, 0]
        wait_for(lambda: all(len(client.receipts) >= 50 for client in clients), timeout=60)
    assert [client.refusals for client in clients] == [[], []]
    wait_for(lambda: left() == 0, timeout=60)
    posted = {name for client in clients for name in client.receipts}
    kept = {f"kept-{name}-{number}" for name in "bc" for number in range(100)}
    assert effects() == Counter(posted | kept)
    receipts = {receipt for client in clients for receipt in client.receipts.values()}
    assert receipts <= {str(receipt) for receipt in RawPayload.objects.values_list("receipt", flat=True)}
    assert set(RawPayload.objects.values_list("attempts", flat=True)) == {1}
    assert [site.terminate("process_raw") for site in sites] == [0, 0, 0]


def test_each_worker_gets_a_share_of_the_backlog(machines: Machines) -> None:
    sites = [machines.add(name) for name in "ab"]
    hold(*sites)
    keep_all("slow", NAMES)
    for site in sites:
        site.start("process_raw", "--batch", "5")
    wait_until_at_work(*sites)
    assert states().count("processing") == 10
    let_go(*sites)
    wait_for(lambda: left() == 0, timeout=60)
    assert effects() == Counter(NAMES)


def test_a_row_that_somebody_has_locked_blocks_nobody(machines: Machines) -> None:
    keep_all("count", NAMES)
    first, middle = RawPayload.objects.order_by("pk").values_list("pk", flat=True)[0:31:30]
    with psycopg.connect(machines.url) as operator:
        operator.execute("SELECT FROM notifications_rawpayload WHERE id IN (%s, %s) FOR UPDATE", [first, middle])
        for name in "ab":
            machines.add(name).start("process_raw", "--batch", "5")
        wait_for(lambda: left() == 2, timeout=60)
        waiting = RawPayload.objects.exclude(state="done").order_by("pk")
        assert list(waiting.values_list("pk", "state")) == [(first, "received"), (middle, "received")]
        operator.rollback()
    wait_for(lambda: left() == 0)
    assert effects() == Counter(NAMES)
    assert "The database is away" not in "".join(site.log("process_raw") for site in machines.sites)


def test_the_claims_of_a_killed_worker_are_taken_over_elsewhere_after_its_lease(machines: Machines) -> None:
    killed, other = machines.add("killed"), machines.add("other")
    hold(killed)
    keep_all("slow", NAMES[:5])
    killed.start("process_raw")
    wait_until_at_work(killed)
    other.start("process_raw")
    assert states() == ["processing"] * 5
    killed.kill("process_raw")
    wait_for(lambda: left() == 0, timeout=60)
    assert effects() == Counter(NAMES[:5])
    assert sorted(RawPayload.objects.values_list("attempts", flat=True)) == [1, 1, 1, 1, 2]


def test_they_are_taken_over_at_once_on_the_same_machine(machines: Machines) -> None:
    site = machines.add("a", settings="tests.app_settings")  # whose claims last for two minutes
    hold(site)
    keep_all("slow", NAMES[:5])
    site.start("process_raw")
    wait_until_at_work(site)
    site.kill("process_raw")
    let_go(site)
    site.start("process_raw")
    wait_for(lambda: left() == 0, timeout=40)
    assert effects() == Counter(NAMES[:5])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_whoever_dies_or_hangs_under_load_nothing_is_lost_or_repeated(machines: Machines, how: signal.Signals) -> None:
    sites = [machines.add(name) for name in "ab"]
    processes = [site.start("process_raw", "--batch", "10") for site in sites]
    products = [keep_elsewhere(site, site.folder.name, 200) for site in sites]
    wait_for(lambda: states().count("done") >= 20, timeout=60)
    processes[0].send_signal(how)  # one that is stopped looks dead to the other machine, and then wakes up
    assert [product.wait(120) for product in products] == [0, 0]
    wait_for(lambda: left() == 0, timeout=90)
    if how == signal.SIGSTOP:
        processes[0].send_signal(signal.SIGCONT)
        # It may have been in a handler, whose time is up.
        assert sites[0].terminate("process_raw") in {0, EXIT_HUNG}
    assert effects() == Counter(f"{name}-{number}" for name in "ab" for number in range(200))


class TestTrailingEdge:
    """A payload kept right after a NOTIFY sends none, and is found all the same, without a poll."""

    @pytest.fixture(autouse=True)
    def _no_poll_no_datagram(self, postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (loop, claim_and_handle):
            monkeypatch.setattr(module, "LONGEST_WAIT", 300.0)
        monkeypatch.setattr(loop, "next_second", lambda: 300.0)
        monkeypatch.setattr("notifications.intake.keep_bytes.wake", lambda: None)
        monkeypatch.setattr(wake_workers, "NOTIFY_INTERVAL", 4.0)
        monkeypatch.setattr(wake_workers.notifier, "quiet_until", 0.0)

    def test_a_payload_within_the_interval_is_handled_after_it(self, on_demo: Callable[..., None]) -> None:
        handled: list[bytes] = []
        on_demo(lambda payload: handled.append(payload.body))
        with idle_worker():
            keep("demo", b"heard")
            until = wake_workers.notifier.quiet_until
            wait_for(lambda: states() == ["done"])
            keep("demo", b"unheard")
            assert wake_workers.notifier.quiet_until == until, "it was to come within the interval"
            wait_for(lambda: states() == ["done"] * 2)
        assert handled == [b"heard", b"unheard"]

    def test_nobody_waits_for_a_transaction_that_is_open(self, on_demo: Callable[..., None]) -> None:
        """What it keeps begins no interval, which would swallow what others keep meanwhile."""
        on_demo(lambda payload: None)
        with idle_worker():
            with transaction.atomic():
                keep("demo", b"not yet")
                in_threads(1, lambda _: keep("demo", b"now"))
                in_threads(1, lambda _: wait_for(lambda: states() == ["done"]))
            wait_for(lambda: states() == ["done"] * 2)

    def test_a_transaction_wakes_once_whatever_it_keeps(self, postgres_database: str) -> None:
        with (
            psycopg.connect(postgres_database, autocommit=True) as listener,
            CaptureQueriesContext(connection) as queries,
        ):
            listener.execute("LISTEN proppy")
            with transaction.atomic():
                for _ in range(5):
                    keep("demo", b"x")
                assert list(listener.notifies(timeout=0)) == []
            assert len(list(listener.notifies(timeout=10, stop_after=1))) == 1
        assert [query["sql"] for query in queries if "NOTIFY" in query["sql"]] == ["NOTIFY proppy"]


def listens() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'")
        return cursor.fetchone() is not None


@contextmanager
def idle_worker() -> Iterator[None]:
    """A worker in a thread that listens and has nothing to do."""
    stop = Stop()
    made = ProcessRaw(stop)
    thread = threading.Thread(target=loop.turn, args=[made, stop])
    thread.start()
    wait_for(listens)
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        stop.close()
