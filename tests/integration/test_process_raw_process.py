"""Real process_raw processes: signals, handlers that hang or kill, and what is left afterwards."""

import random
import signal
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
from notifications.models import RawPayload, ReportRow
from notifications.raw.breaker import breaker
from notifications.raw.time_limit import EXIT_HUNG
from tests import app_settings
from tests.support.child import Process
from tests.support.database import use_database
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
            if not process.alive:
                codes.append(process._popen.returncode)
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
        site.kill("process_raw") if site._processes else None
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


def test_sigterm_finishes_what_is_in_hand_and_gives_back_the_rest(raw: Raw) -> None:
    hold = raw.state / "hold-before"
    hold.touch()
    keep_all("slow", NAMES[:5])
    process = raw.start()
    wait_for((raw.state / "at-before").exists)
    process._popen.send_signal(signal.SIGTERM)
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


@pytest.mark.parametrize("seed", range(3))
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


def test_a_handler_that_hangs_once_is_tried_again(raw: Raw) -> None:
    keep_all("hangs", ["stuck"])
    process = raw.start()
    wait_for(lambda: not process.alive, timeout=30)
    stored = RawPayload.objects.get()
    assert (stored.state, stored.attempts) == ("retrying", 1)
    assert "TimeoutError" in stored.error
    raw.well.touch()
    assert raw.restart_until(lambda: all_in("done")) == []
    assert effects() == {"stuck": 1}


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


def test_a_handler_that_raises(raw: Raw) -> None:
    keep_all("raises", ["bad"])
    keep_all("count", ["good"])
    assert raw.restart_until(lambda: all_in("done", "dead")) == []
    assert states() == ["dead", "done"]
    assert effects() == {"good": 1}
    assert "ArithmeticError: the third party changed its format" in RawPayload.objects.get(state="dead").error


def test_several_processes_share_the_work(raw: Raw) -> None:
    keep_all("count", NAMES)
    others = [
        Process(raw.site._command("process_raw"), env=raw.site.env, log=raw.site.folder / f"other-{number}.log")
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
