"""How many threads and processes of the site's web server answer most posts. Takes minutes: only if it is asked for."""

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rounds import interleaved, ratios
from tests.benchmarks.serving import Served
from tests.benchmarks.slow_fsync import slow_fsync
from tests.benchmarks.table import Row, reported, unmeasured
from tests.benchmarks.wrk import Answered

#: PRAGMA synchronous, and milliseconds of an fsync: 0 is this disk's own.
DISKS: Final = (("NORMAL", 0), ("FULL", 0), ("FULL", 2), ("FULL", 10))
PROCESSES: Final = (1, 2)
THREADS: Final = (1, 2, 4, 8, 16)
CONNECTIONS: Final = (1, 8, 64)
#: As the site has it.
CHOSEN: Final = 8
PATH: Final = "posts to the site behind gunicorn, eight threads"
LIMIT: Final = "one thread"


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("wrk", "gcc"):
        yield unmeasured(PATH, why)
        return
    for synchronous, milliseconds in DISKS:
        disk = slow_fsync(lab.folder, milliseconds) if milliseconds else {}
        what = f"{PATH}, SQLite {synchronous}" + (f", an fsync of {milliseconds} ms" if milliseconds else "")
        for processes in PROCESSES:
            site = lab.site(SQLITE_SYNCHRONOUS=synchronous, GUNICORN_CMD_ARGS=f"--workers {processes}", **disk)
            servers = {count: _served(lab, site.env, count) for count in THREADS}
            for connections in CONNECTIONS:
                yield _row(f"{what}, {processes} processes, {connections} connections", lab, servers, connections)
            for server in servers.values():
                server.close()


def _served(lab: Lab, env: Mapping[str, str], threads: int) -> Served:
    return Served(lab, "gunicorn", "proppy.wsgi:application", "/in/demo/", env, (threads,))


def _row(path: str, lab: Lab, servers: Mapping[int, Served], connections: int) -> Row:
    measures = [lambda server=server: server.answered(connections) for server in servers.values()]
    found: dict[int, list[Answered]] = dict(zip(servers, interleaved(lab.rounds, *measures), strict=True))
    rates = {count: [each.rate for each in answers] for count, answers in found.items()}
    text = "; ".join(
        f"{count}: {median(rates[count]):,.0f} a second, p99 {median(each.p99 for each in answers):.0f} ms"
        for count, answers in found.items()
    )
    return reported(path, LIMIT, ratios(rates[CHOSEN], rates[1]), text)
