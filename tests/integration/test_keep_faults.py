"""Intake and workers while everything under them is killed, stopped and restarted at random.

`make test-all` does so for seconds; for longer: pytest tests/integration/test_keep_faults.py --faults-seconds=300
--faults-seed=7 -s.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import Error, connection
from pytest_django import DjangoDbBlocker

from notifications.models import RawPayload, ReportRow
from notifications.store.spool import spool
from tests.support.child import Process
from tests.support.client import Poster, Sent
from tests.support.database import use_database
from tests.support.fault_app import name_of
from tests.support.faults import Chaos, PostgresServer, Server, SQLiteFile, Target
from tests.support.payloads import make_due
from tests.support.postgres import Postgres
from tests.support.processes import Site
from tests.support.wait import wait_for

pytestmark = pytest.mark.services
RATE = 40.0
#: Seconds until all is worked off, on a machine that has more to do.
DRAIN = 240.0


@dataclass
class Plant:
    """The site under test: its web server, two workers, and what breaks them."""

    site: Site
    chaos: Chaos
    database: Target
    #: State directories of the machines: the workers of the second have no spool to import, and are found by leases.
    machines: list[Path]
    servers: list[Server] = field(default_factory=list)

    def run(self, seconds: float, seed: str) -> Poster:
        """Post, break, bring all back up, and give what was posted once it is worked off."""
        for number, state in enumerate(self.machines, 1):
            state.mkdir(mode=0o700, exist_ok=True)
            self._add(f"process_raw-{number}", self.site.command("process_raw"), state)
        self._add("web", self.site.command("web"), self.machines[0])
        for server in self.servers:
            server.start()
        poster = Poster(self.site.port, seed=seed, rate=RATE)
        self.chaos.unleash([*self.servers, self.database])
        try:
            self.chaos.rest(seconds)
            self.chaos.finish()
        finally:
            poster.finish(DRAIN)
        self._work_off()
        return poster

    def stop(self) -> None:
        for server in self.servers:
            if server.process is not None:
                server.process.kill()

    def log(self) -> list[str]:
        """Lines of all processes."""
        return [
            f"{path.stem}: {line}"
            for path in sorted(self.site.folder.glob("*.log"))
            for line in path.read_text(errors="replace").splitlines()
        ]

    def _add(self, name: str, command: list[str], state: Path) -> None:
        def make() -> Process:
            process = Process(
                command, env=self.site.env | {"STATE_DIR": str(state)}, log=self.site.folder / f"{name}.log"
            )
            if name == "web":
                process.wait_until_listening(self.site.port)
            return process

        self.servers.append(Server(name, make, self.chaos.rest))

    def _work_off(self) -> None:
        """Until nothing waits anywhere. What failed need not wait for its next attempt."""

        def done() -> bool:
            for server in self.servers:
                server.look_after()
            try:
                make_due()
                waiting = RawPayload.objects.exclude(state="done").exists()
            except Error:  # this process's own connection was broken too
                connection.close()
                return False
            return not waiting and not spool().waiting()

        try:
            wait_for(done, timeout=DRAIN)
        except AssertionError as error:
            left = RawPayload.objects.exclude(state="done").values_list("receipt", "state", "attempts", "error")[:10]
            error.add_note(f"left: {list(left)}; in the spool: {spool().waiting()[:10]}")
            raise


class Books:
    """What was promised against what was done."""

    def __init__(self, plant: Plant, poster: Poster) -> None:
        self._plant = plant
        self.sent = poster.sent
        self.promised = {f"{name_of(sent.receipt, sent.body)}": sent for sent in self.sent if sent.receipt}
        self.effects: dict[str, int] = dict(ReportRow.objects.values_list("name", "count"))

    def problems(self) -> list[str]:
        """Lines that each say what is wrong, with all that is known of it."""
        return [
            *(
                self._describe("never handled", sent)
                for name, sent in self.promised.items()
                if name not in self.effects
            ),
            *(f"handled {count} times: {name}" for name, count in self.effects.items() if count != 1),
            *self._not_promised(),
            *(f"set aside: {path}" for path in spool().folder.glob("*") if not path.name.endswith(".tmp")),
        ]

    def _not_promised(self) -> Iterator[str]:
        """These were not acknowledged: they may be stored, but only once and as they were sent."""
        unsure = {hashlib.sha256(sent.body).hexdigest(): sent for sent in self.sent if not sent.receipt}
        for name in self.effects.keys() - self.promised.keys():
            digest = name.split()[1]
            if unsure.pop(digest, None) is None:
                yield f"handled, but never sent so, or twice: {name}"

    def _describe(self, problem: str, sent: Sent) -> str:
        row = RawPayload.objects.filter(receipt=sent.receipt).values("state", "attempts", "error", "stored_as").first()
        hex_name = sent.receipt.replace("-", "")
        files = [path.name for path in spool().folder.glob(f"{hex_name}*")]
        lines = [line for line in self._plant.log() if sent.receipt in line or hex_name in line]
        return (
            f"{problem}: {sent.receipt} ({sent.source}, {len(sent.body)} bytes, key {sent.key!r})"
            f"\n  answers: {sent.tries}\n  row: {row}\n  spool: {files}\n  logs: {lines}"
        )


def check(plant: Plant, request: pytest.FixtureRequest) -> None:
    """Break it for the time asked for, then look whether each 202 was kept."""
    seconds, seed = request.config.getoption("--faults-seconds"), request.config.getoption("--faults-seed")
    print(f"--faults-seconds={seconds:g} --faults-seed={seed}")
    try:
        poster = plant.run(seconds, seed)
    finally:
        print(*plant.chaos.log, sep="\n")
        print(*plant.log()[-300:], sep="\n")
    books = Books(plant, poster)
    faults = Counter(line.partition(" ")[2] for line in plant.chaos.log if not line.endswith("is over"))
    exits = {server.name: Counter(server.exits) for server in plant.servers}
    print(f"{len(poster.sent)} sent, answers {dict(poster.answers)}, slowest {poster.slowest:.1f} s, ended {exits}")
    print(dict(faults))
    problems = books.problems()
    assert not problems, "\n".join(problems[:20])
    assert len(books.promised) > seconds, "hardly anything was taken"
    # The spool could always take it, so a 503 has no reason either.
    refused = [said for said in poster.answers if said[0].isdigit() and said != "202"]
    assert not refused, poster.answers
    assert set().union(*exits.values()) <= {70}, "a process ended by itself, and no handler hung"


@pytest.fixture
def chaos(request: pytest.FixtureRequest) -> Chaos:
    return Chaos(request.config.getoption("--faults-seed"))


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    with Postgres(fsync=False) as own:
        yield own


def plant_of(site: Site, chaos: Chaos, settings: Any, database: Target, machines: list[str]) -> Plant:
    settings.NOTIFICATIONS_STATE_DIR = site.folder / "state"
    site.env["DJANGO_SETTINGS_MODULE"] = "tests.support.fault_app.settings"
    return Plant(site, chaos, database, [site.folder / name for name in machines])


def test_on_postgresql(
    site: Site,
    chaos: Chaos,
    own_postgres: Postgres,
    settings: Any,
    django_db_blocker: DjangoDbBlocker,
    request: pytest.FixtureRequest,
) -> None:
    plant = plant_of(site, chaos, settings, PostgresServer(own_postgres, chaos.rest), ["state", "second-machine"])
    site.env["DATABASE_URL"] = own_postgres.url
    site.migrate()
    with django_db_blocker.unblock(), use_database(own_postgres.url):
        try:
            check(plant, request)
        finally:
            plant.stop()


def test_on_sqlite(
    site: Site,
    chaos: Chaos,
    migrated_sqlite: Path,
    settings: Any,
    django_db_blocker: DjangoDbBlocker,
    request: pytest.FixtureRequest,
) -> None:
    path = site.folder / "state" / "proppy.sqlite3"
    path.write_bytes(migrated_sqlite.read_bytes())
    plant = plant_of(site, chaos, settings, SQLiteFile(path, chaos.rest), ["state", "state"])
    with django_db_blocker.unblock(), use_database(site.env["DATABASE_URL"]):
        try:
            check(plant, request)
        finally:
            plant.stop()
