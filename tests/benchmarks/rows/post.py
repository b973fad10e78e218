"""Posts to the intake, of the site and of a stock project, against an empty view of the stock project; on one core."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Final

from tests.benchmarks.cores import on_core
from tests.benchmarks.lab import LONGEST, Lab
from tests.benchmarks.needs import is_there, lacks
from tests.benchmarks.own_project import own_project
from tests.benchmarks.rounds import interleaved, ratios
from tests.benchmarks.serving import SERVERS, Served
from tests.benchmarks.table import Row, at_least, at_most, reported, unmeasured
from tests.support.child import Process
from tests.support.wait import wait_for

#: By database: what the intake of the site, and the view in a stock project, should reach of the empty view.
REACH: Final = {"SQLite NORMAL": (2.0, 0.7), "SQLite FULL": (1.3, 0.6), "PostgreSQL": (1.0, 0.5)}
SITE: Final = "`POST /in/<source>/` of the site"
OWN: Final = "the same of a stock project, by `notifications.wsgi`"
VIEW: Final = "the view in a stock project, by Django's own `wsgi.py`"
BARE: Final = "an empty WSGI application"
P99: Final = "p99 of the site's intake at 60 % of its highest rate, SQLite NORMAL, with process_raw"
EMPTY: Final = "an empty view of a stock project"
EMPTY_P99: Final = "p99 of the empty view at 60 % of its own"
SHARE: Final = 0.6
THREADS: Final = (1, 4, 8)

Rates = dict[str, list[float]]
#: Where a server finds it, the path that is posted to, its environment.
Application = tuple[str, str, dict[str, str]]


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("wrk"):
        yield unmeasured(SITE, why)
        return
    if why := lacks("postgresql"):
        yield unmeasured(f"{SITE}, PostgreSQL", why)
    applications = dict(_applications(lab))
    for server in SERVERS:
        yield from _behind(lab, server, applications)


def _behind(lab: Lab, server: str, applications: Mapping[str, Application]) -> Iterator[Row]:
    served = {name: Served(lab, server, *application, THREADS) for name, application in applications.items()}
    for each in served.values():
        each.choose()
    rates = dict(zip(served, interleaved(lab.rounds, *(each.rate for each in served.values())), strict=True))
    threads = {name: each.threads for name, each in served.items()}
    for database, (of_site, of_view) in REACH.items():
        if f"{SITE}, {database}" in served:
            yield _row(f"{SITE}, {database}", server, rates, threads, of_site)
            yield _row(f"{OWN}, {database}", server, rates, threads, None)
            yield _row(f"{VIEW}, {database}", server, rates, threads, of_view)
    yield _row(BARE, server, rates, threads, None)
    with _worker(lab, applications[f"{SITE}, SQLite NORMAL"][2]):
        yield _p99(lab, server, served, rates)
    for each in served.values():
        each.close()


def _row(name: str, server: str, rates: Rates, threads: Mapping[str, int], reach: float | None) -> Row:
    ours, theirs = rates[name], rates[EMPTY]
    text = f"{median(ours):,.0f} requests a second ({threads[name]} threads); the empty view {median(theirs):,.0f}"
    text, path = f"{text} ({threads[EMPTY]})", f"{name}, {server}"
    figures = ratios(ours, theirs)
    return reported(path, EMPTY, figures, text) if reach is None else at_least(path, EMPTY, figures, reach, text)


def _p99(lab: Lab, server: str, served: Mapping[str, Served], rates: Rates) -> Row:
    site = f"{SITE}, SQLite NORMAL"
    paces = [SHARE * median(rates[name]) for name in (site, EMPTY)]
    ours, theirs = interleaved(lab.rounds, lambda: served[site].p99(paces[0]), lambda: served[EMPTY].p99(paces[1]))
    text = (
        f"{median(ours):.1f} ms at {paces[0]:,.0f} a second; the empty view {median(theirs):.1f} ms at {paces[1]:,.0f}"
    )
    return at_most(f"{P99}, {server}", EMPTY_P99, ratios(ours, theirs), 1.5, text)


@contextmanager
def _worker(lab: Lab, env: dict[str, str]) -> Iterator[None]:
    """As on a site: the worker handles what is posted, and makes SQLite's checkpoints. On the client's core."""
    command = ["nice", "-n", "10", sys.executable, "manage.py", "process_raw"]
    log = lab.new_folder() / "process_raw.log"
    with on_core(1):
        drained = Process([*command, "--drain"], env=env, log=log)  # of what was posted at the highest rates
        lab.at_end(drained.kill)
        wait_for(lambda: not drained.alive, timeout=LONGEST, message="nothing waits")
        worker = Process(command, env=env, log=log)
    lab.at_end(worker.kill)
    try:
        yield
        assert worker.alive, worker.log
    finally:
        worker.kill()


def _applications(lab: Lab) -> Iterator[tuple[str, Application]]:
    databases = {"SQLite NORMAL": "NORMAL", "SQLite FULL": "FULL"}
    if is_there("postgresql"):
        databases["PostgreSQL"] = ""
    for database, synchronous in databases.items():
        site = lab.site(**({"SQLITE_SYNCHRONOUS": synchronous} if synchronous else {"DATABASE_URL": lab.database()}))
        stock = own_project(lab, synchronous or lab.database())
        yield f"{SITE}, {database}", ("proppy.wsgi:application", "/in/demo/", site.env)
        yield f"{OWN}, {database}", ("shop.our_wsgi:application", "/in/order/", stock.env)
        yield f"{VIEW}, {database}", ("shop.wsgi:application", "/in/order/", stock.env)
    yield EMPTY, ("shop.wsgi:application", "/empty/", stock.env)
    yield BARE, ("shop.bare:application", "/", stock.env)
