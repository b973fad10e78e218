"""Several machines in one: sites with STATE_DIRs of their own on one PostgreSQL, and clients that post to them."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from notifications.models import RawPayload, ReportRow
from tests.support.processes import Site


class Machines:
    """`machines.add("a")` is a site with a worker and a state directory of its own, on the database at `url`."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self.url = url
        self.sites: list[Site] = []

    def add(self, name: str, *, url: str = "", settings: str = "tests.machines_settings") -> Site:
        """One more machine; `url` is how it reaches the database, where that is another way."""
        folder = self._folder / name
        (folder / "state").mkdir(mode=0o700, parents=True)
        site = Site(folder)
        site.env |= {"DJANGO_SETTINGS_MODULE": settings, "DATABASE_URL": url or self.url}
        self.sites.append(site)
        return site

    def stop(self) -> None:
        for site in self.sites:
            site.stop()
        for site in self.sites:
            site.assert_understood()


@pytest.fixture
def machines(tmp_path: Path, postgres_database: str, settings: Any) -> Iterator[Machines]:
    """Machines on one empty database, which is this process's own too."""
    from tests import machines_settings  # it adds to what is imported before Django is set up

    settings.NOTIFICATIONS_SOURCES = machines_settings.NOTIFICATIONS_SOURCES
    machines = Machines(tmp_path, postgres_database)
    yield machines
    machines.stop()


def effects() -> Counter[str]:
    """How often the effect of each payload of the counting handlers is in the database."""
    return Counter(dict(ReportRow.objects.values_list("name", "count")))


def left() -> int:
    """Payloads that are not done."""
    return RawPayload.objects.exclude(state="done").count()


class Client:
    """Posts to /in/count/ of a site, a payload each `interval` seconds, in a thread: `with Client(site, "a"): …`."""

    def __init__(self, site: Site, prefix: str, *, interval: float = 0.02) -> None:
        self._port, self._prefix, self._interval = site.port, prefix, interval
        #: The names that were answered 202, with their receipts.
        self.receipts: dict[str, str] = {}
        #: What else was answered, or happened.
        self.refusals: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._post_all, daemon=True)

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "a request hangs"

    def _post_all(self) -> None:
        number = 0
        with _connection(self._port) as connection:
            while not self._end.wait(self._interval):
                self._post(connection, f"{self._prefix}-{number}")
                number += 1

    def _post(self, connection: http.client.HTTPConnection, name: str) -> None:
        try:
            connection.request("POST", "/in/count/", name.encode(), {"Content-Type": "text/plain"})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.refusals.append(f"{name}: {error!r}")
            connection.close()
            return
        if answer.status == 202:
            self.receipts[name] = json.loads(body)["id"]
        else:
            self.refusals.append(f"{name}: {answer.status}")


@contextmanager
def _connection(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        yield connection
    finally:
        with suppress(OSError):
            connection.close()
