"""Real process_raw processes: signals, handlers that hang or kill, and what is left afterwards."""

import os
import random
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from notifications import keep
from notifications.journal import FileJournal
from notifications.models import Attempt, FailureGroup, RawPayload, ReportRow
from notifications.process_raw.time_limit import EXIT_HUNG
from notifications.store.database_breaker import breaker
from tests import app_settings
from tests.support.child import Process
from tests.support.database import use_database
from tests.support.journals import read_all
from tests.support.payloads import states
from tests.support.processes import Site
from tests.support.wait import wait_for


class Raw:
    """A site with tests/app, whose database and state directory are the test's own too."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.state = site.folder / "state"
        self.well = self.state / "well"

    def start(self, *arguments: str) -> Process:
        return self.site.start("process_raw", *arguments)

    def restart_until(self, done: Any, *arguments: str) -> list[int]:
        """Start it again whenever it ends, as systemd does; the exit codes."""
        codes: list[int] = []
        process = self.start(*arguments)

        def step() -> bool:
            nonlocal process
            if (code := process.exit_code) is not None:
                codes.append(code)
                process = self.start(*arguments)
            return bool(done())

        wait_for(step, timeout=60, message="the end of the work")
        process.kill()
        return codes


@pytest.fixture
def raw(site: Site, settings: Any, migrated_sqlite: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Raw]:
    site.env["DJANGO_SETTINGS_MODULE"] = "tests.app_settings"
    raw = Raw(site)
    settings.NOTIFICATIONS_STATE_DIR = raw.state
    settings.NOTIFICATIONS_SOURCES = app_settings.NOTIFICATIONS_SOURCES
    (raw.state / "proppy.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    breaker.close()
    with django_db_blocker.unblock(), use_database(site.env["DATABASE_URL"]):
        yield raw
        site.kill("process_raw")
    breaker.close()


def keep_all(source: str, names: list[str]) -> None:
    for name in names:
        keep(source, name.encode())


def effects() -> dict[str, int]:
    return dict(ReportRow.objects.values_list("name", "count"))


def all_in(*wanted: str) -> bool:
    return set(states()) <= set(wanted)


def done_at_least(count: int) -> bool:
    return states().count("done") >= count


NAMES = [f"payload {number}" for number in range(30)]
ONCE = dict.fromkeys(NAMES, 1)


def outcomes(payload: RawPayload | None = None) -> list[str]:
    """The outcomes of a payload's attempts, or of all."""
    attempts = Attempt.objects.filter(payload=payload.pk) if payload else Attempt.objects.all()
    return list(attempts.order_by("pk").values_list("outcome", flat=True))


def test_sigterm_finishes_what_is_in_hand_and_gives_back_the_rest(raw: Raw) -> None:
    hold = raw.state / "hold-before"
    hold.touch()
    keep_all("slow", NAMES[:5])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(raw.site.folder / "notify"))
        systemd.settimeout(30)
        raw.site.env["NOTIFY_SOCKET"] = str(raw.site.folder / "notify")
        process = raw.start()
        wait_for((raw.state / "at-before").exists)
        process.send_signal(signal.SIGTERM)
        # Its main thread hears of a signal when it wakes up; until then the others go on.
        wait_for(lambda: b"STOPPING=1" in systemd.recv(4096))
        hold.unlink()
    assert process.terminate() == 0
    assert states() == ["done", *["received"] * 4]
    assert effects() == {NAMES[0]: 1}
    raw.start("--drain")
    wait_for(lambda: all_in("done"))
    assert effects() == dict.fromkeys(NAMES[:5], 1)


def test_sigterm_when_idle(raw: Raw) -> None:
    raw.start()
    wait_for(lambda: (raw.state / "wake").is_dir() and list((raw.state / "wake").iterdir()))
    assert raw.site.terminate("process_raw") == 0
    assert list((raw.state / "wake").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.release) for seed in (1, 2))])
def test_sigkill_anywhere_loses_nothing_and_repeats_nothing(raw: Raw, seed: int) -> None:
    chance = random.Random(seed)
    keep_all("count", NAMES)
    for _ in range(6):
        before = states().count("done")
        raw.start("--batch", "5")
        goal = min(before + chance.randrange(1, 6), len(NAMES))
        wait_for(partial(done_at_least, goal), timeout=30)
        raw.site.kill("process_raw")
        assert set(effects().values()) <= {1}
    raw.restart_until(lambda: all_in("done"))
    assert effects() == ONCE


@pytest.mark.parametrize("where", ["before", "inside"])
def test_sigkill_in_mid_handler(raw: Raw, where: str) -> None:
    """Before its effects, and between its effects and their commit."""
    hold = raw.state / f"hold-{where}"
    hold.touch()
    keep_all("slow", NAMES[:3])
    raw.start()
    wait_for((raw.state / f"at-{where}").exists)
    raw.site.kill("process_raw")
    hold.unlink()
    raw.restart_until(lambda: all_in("done"))
    assert effects() == dict.fromkeys(NAMES[:3], 1)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["hangs", "hangs-atomic"])
def test_a_handler_that_hangs_ends_the_process_and_is_dead_in_the_end(raw: Raw, source: str) -> None:
    keep_all("count", NAMES[:2])
    keep_all(source, ["stuck"])
    keep_all("count", NAMES[2:4])
    codes = raw.restart_until(lambda: all_in("done", "dead"))
    assert set(codes) == {EXIT_HUNG}
    assert RawPayload.objects.get(source=source).attempts == 3
    assert states() == ["done", "done", "dead", "done", "done"]
    assert effects() == dict.fromkeys(NAMES[:4], 1)
    log = raw.site.log("process_raw")
    assert "outlasts its lease" in log
    assert "threading.Event().wait()" in log, "the log does not show where it hangs"


@pytest.mark.slow
def test_a_handler_that_hangs_once_is_tried_again(raw: Raw) -> None:
    keep_all("hangs", ["stuck"])
    process = raw.start()
    wait_for(lambda: not process.alive, timeout=30)
    stored = RawPayload.objects.get()
    assert (stored.state, stored.attempts) == ("retrying", 1)
    assert "TimeoutError" in stored.error
    raw.well.touch()
    hung = Attempt.objects.get()
    assert (hung.outcome, hung.number) == ("failed", 1)
    assert "threading.Event().wait()" in hung.traceback
    assert hung.milliseconds is not None
    series = [entry.fields["PROPPY_DATA"] for entry in read_all(FileJournal(raw.state / "journal").open(follow=False))]
    assert any('"failed":{"hangs":[1,' in str(each) for each in series), "the attempt was not counted"
    assert raw.restart_until(lambda: all_in("done")) == []
    assert effects() == {"stuck": 1}
    assert outcomes(stored) == ["failed", "done"]


@pytest.mark.slow
def test_a_handler_that_kills_its_process_is_dead_in_the_end_and_its_neighbours_done(raw: Raw) -> None:
    keep_all("count", NAMES[:3])
    keep_all("kills", ["poison"])
    keep_all("count", NAMES[3:6])
    codes = raw.restart_until(lambda: all_in("done", "dead"))
    assert codes == [-signal.SIGKILL] * 3
    assert states() == ["done"] * 3 + ["dead"] + ["done"] * 3
    assert effects() == dict.fromkeys(NAMES[:6], 1)
    dead = RawPayload.objects.get(state="dead")
    assert (dead.attempts, dead.lease_token) == (3, None)
    assert "worker died" in dead.error
    assert outcomes(dead) == ["worker lost"] * 3
    workers = set(Attempt.objects.values_list("worker", flat=True))
    assert len(workers) == 3
    assert all(worker.startswith(f"{os.uname().nodename} ") for worker in workers)
    assert outcomes() == outcomes(dead), "a neighbour has an attempt"


def test_a_handler_that_raises(raw: Raw) -> None:
    keep_all("raises", ["bad"])
    keep_all("count", ["good"])
    assert raw.restart_until(lambda: all_in("done", "dead")) == []
    assert states() == ["dead", "done"]
    assert effects() == {"good": 1}
    assert "ArithmeticError: the third party changed its format" in RawPayload.objects.get(state="dead").error


@pytest.mark.slow
def test_several_processes_share_the_work(raw: Raw) -> None:
    keep_all("count", NAMES)
    others = [
        Process(raw.site.command("process_raw"), env=raw.site.env, log=raw.site.folder / f"other-{number}.log")
        for number in range(2)
    ]
    raw.start("--threads", "2", "--batch", "2")
    try:
        # Each thread is there: before that SIGTERM would end its process, as it ends any that starts.
        wait_for(lambda: (raw.state / "wake").is_dir() and len(list((raw.state / "wake").iterdir())) == 4)
        wait_for(lambda: all_in("done"), timeout=60)
    finally:
        codes = [other.terminate() for other in others]
    assert codes == [0, 0]
    assert effects() == ONCE


def test_a_payload_kept_while_it_idles_is_handled(raw: Raw) -> None:
    raw.start()
    wait_for(lambda: (raw.state / "wake").is_dir() and list((raw.state / "wake").iterdir()))
    for name in NAMES[:3]:
        keep("count", name.encode())
        wait_for(lambda: all_in("done"))
    assert effects() == dict.fromkeys(NAMES[:3], 1)


def test_what_waits_in_the_spool_is_imported(raw: Raw) -> None:
    breaker.open()
    receipt = keep("count", b"from the spool")
    assert not RawPayload.objects.exists()
    raw.start()
    wait_for(lambda: effects() == {"from the spool": 1})
    assert RawPayload.objects.get().receipt == receipt
    wait_for(lambda: list((raw.state / "spool").iterdir()) == [])


@pytest.mark.slow
def test_a_database_that_is_locked_for_a_while_is_waited_for(raw: Raw) -> None:
    keep_all("count", NAMES[:2])
    with closing(sys.modules["sqlite3"].connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        process = raw.start()
        wait_for(lambda: "The database is away" in process.log, timeout=30)
        other.execute("ROLLBACK")
    wait_for(lambda: all_in("done"))
    assert raw.site.terminate("process_raw") == 0
    assert effects() == dict.fromkeys(NAMES[:2], 1)


@pytest.mark.slow
def test_a_neighbour_of_one_that_hangs_has_time_to_finish(raw: Raw) -> None:
    """With threads: the process ends once it has, with nothing counted against it."""
    hold = raw.state / "hold-before"
    hold.touch()
    keep_all("slow", ["neighbour"])
    keep_all("hangs", ["stuck"])
    process = raw.start("--threads", "2", "--batch", "1")
    wait_for(lambda: "outlasts its lease" in process.log, timeout=60)
    hold.unlink()
    wait_for(lambda: not process.alive, timeout=60)
    assert process.exit_code == EXIT_HUNG
    assert states() == ["done", "retrying"]
    assert effects() == {"neighbour": 1}
    assert list(RawPayload.objects.order_by("pk").values_list("attempts", flat=True)) == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("hanging", ["hangs", "hangs-atomic"])
def test_a_neighbour_that_cannot_finish_is_not_punished(raw: Raw, hanging: str) -> None:
    """Also where the hanging handler has locked SQLite, so that the process can write nothing before it ends."""
    hold = raw.state / "hold-before"
    hold.touch()
    keep_all("slow", ["neighbour", "waits behind it"])
    process = raw.start("--threads", "2", "--batch", "2")
    wait_for((raw.state / "at-before").exists, timeout=60)
    keep_all(hanging, ["stuck"])
    wait_for(lambda: not process.alive, timeout=90)
    assert process.exit_code == EXIT_HUNG
    hold.unlink()
    raw.well.touch()
    assert raw.restart_until(lambda: all_in("done")) == []
    assert effects() == {"neighbour": 1, "waits behind it": 1, "stuck": 1}
    assert list(RawPayload.objects.order_by("pk").values_list("attempts", flat=True)) == [1, 1, 2]
    assert [group.source for group in FailureGroup.objects.all()] == [hanging]


@pytest.mark.slow
def test_two_that_hang_at_once_are_both_counted(raw: Raw) -> None:
    keep_all("hangs", ["stuck", "stuck too"])
    process = raw.start("--threads", "2", "--batch", "1")
    wait_for(lambda: not process.alive, timeout=60)
    assert process.exit_code == EXIT_HUNG
    assert list(RawPayload.objects.values_list("state", "attempts")) == [("retrying", 1)] * 2
    assert FailureGroup.objects.get().attempts == 2


@pytest.mark.slow
def test_threads_handle_each_payload_once_and_lock_nobody_out(raw: Raw) -> None:
    (raw.state / "hold-before").touch()
    names = [f"payload {number}" for number in range(200)]
    keep_all("slow", names)
    process = raw.start("--threads", "8", "--batch", "3")
    wait_for(lambda: states().count("processing") >= 24, timeout=60)
    (raw.state / "hold-before").unlink()
    wait_for(lambda: all_in("done"), timeout=120)
    assert raw.site.terminate("process_raw") == 0
    assert effects() == dict.fromkeys(names, 1)
    assert set(RawPayload.objects.values_list("attempts", flat=True)) == {1}
    assert "locked" not in process.log


def test_sigterm_finishes_what_each_thread_has_in_hand(raw: Raw) -> None:
    hold = raw.state / "hold-before"
    hold.touch()
    keep_all("slow", NAMES[:12])
    process = raw.start("--threads", "3", "--batch", "2")
    wait_for(lambda: states().count("processing") == 6, timeout=60)
    wait_for(lambda: len(list(raw.state.glob("at-before*"))) >= 1)
    process.send_signal(signal.SIGTERM)
    hold.unlink()
    assert process.terminate() == 0
    assert all_in("done", "received")
    assert effects() == dict.fromkeys([payload.body.decode() for payload in RawPayload.objects.filter(state="done")], 1)
    assert not RawPayload.objects.filter(lease_token__isnull=False).exists()


def test_one_that_asks_for_later_counts_no_attempt_and_takes_its_effects_back(raw: Raw) -> None:
    keep_all("asks-later", ["patient"])
    raw.start()
    wait_for(lambda: states() == ["retrying"] and RawPayload.objects.get().error != "")
    stored = RawPayload.objects.get()
    assert (stored.attempts, stored.error, effects()) == (0, "the third party says so", {})
    raw.well.touch()
    wait_for(lambda: all_in("done"))
    assert (RawPayload.objects.get().attempts, effects()) == (1, {"patient": 1})


def test_a_line_of_the_log_names_the_payload_once(raw: Raw) -> None:
    keep_all("raises", ["bad"])
    process = raw.start()
    receipt = RawPayload.objects.get().receipt
    wait_for(lambda: "attempt 1 failed" in process.log)
    (line,) = [line for line in process.log.splitlines() if "attempt 1 failed" in line]
    start, _, rest = line.partition(", next try in ")
    assert start == f"WARNING notifications.process_raw.handle_payload: raises {receipt} attempt 1 failed"
    assert rest.partition(": ")[2].startswith("ArithmeticError: the third party changed its format (app/handlers.py:")
    assert f"WARNING tests.app.handlers [raises {receipt} attempt 1]: about to fail" in process.log


def test_a_child_that_a_handler_forks_is_no_second_worker(raw: Raw) -> None:
    """Wherever it was forked it ends before it could commit, handle the next payload, or close what is its parent's."""
    children = {"before": 0, "raises": 1, "inside": 0, "on commit": 0}
    atomic = {"atomic": 0, "atomic raises": 1}
    keep_all("forks", list(children))
    keep_all("forks-atomic", list(atomic))
    keep_all("count", NAMES[:3])
    process = raw.start()
    wait_for(lambda: all_in("done"), timeout=30)
    assert effects() == dict.fromkeys([*children, *atomic, *NAMES[:3]], 1)
    assert set(RawPayload.objects.values_list("attempts", flat=True)) == {1}
    for where, status in (children | atomic).items():
        assert f"{where}: the child's status is {status}\n" in process.log
    assert process.log.count("has forked, and its child") == len(children | atomic)
    assert raw.site.terminate("process_raw") == 0
