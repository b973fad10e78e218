"""What the series cost: a request, and the follower."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.payload import body
from tests.benchmarks.process import cpu_percent
from tests.benchmarks.rounds import ratios
from tests.benchmarks.steady import Steady
from tests.benchmarks.table import Row, at_most
from tests.support.processes import Site
from tests.support.wait import wait_for

REQUEST: Final = "a request counted by `RequestStats`, 0.5 ms between calls"
LIMIT: Final = "the same as it was without the series"
CALLS: Final = 2000
FOLLOWER: Final = "`follow_journal` at 200 requests a second, SQLite"
#: Requests a second, and seconds of a round: it has one end of a minute, whenever it begins.
RATE: Final = 200
WATCHED: Final = 60.0
#: Rounds of a minute each, with the series and without them.
ROUNDS: Final = 2
CORE_PERCENT: Final = 1.0


def rows(lab: Lab) -> Iterator[Row]:
    yield _request(lab)


def of_follower(lab: Lab) -> Iterator[Row]:
    """Takes five minutes: only if it is asked for."""
    yield _follower(lab)


def _request(lab: Lab) -> Row:
    numbers = lab.inside(lab.site(), "request_counts", rounds=lab.rounds, calls=lab.count(CALLS))
    paused, without = numbers["paused"], numbers["paused_without"]
    text = f"{median(paused):.2f} µs; before {median(without):.2f} µs; in a tight loop"
    text = f"{text} {median(numbers['tight']):.2f} µs and {median(numbers['tight_without']):.2f} µs"
    return at_most(REQUEST, LIMIT, ratios(paused, without), 1, text)


def _follower(lab: Lab) -> Row:
    """In turn as it is, and with nothing that follows the series."""
    site = lab.site()
    site.start("web")
    followed, without = [], []
    for _ in range(min(ROUNDS, lab.rounds)):
        followed.append(_watched(lab, site, "settings"))
        without.append(_watched(lab, site, "without_series_settings"))
    text = f"{median(without):.2f} % without the series; a file journal; posts to gunicorn, which are counted"
    return at_most(FOLLOWER, "", followed, CORE_PERCENT, text, "% of a core")


def _watched(lab: Lab, site: Site, settings: str) -> float:
    seconds, module = lab.seconds(WATCHED), site.env["DJANGO_SETTINGS_MODULE"]
    site.env["DJANGO_SETTINGS_MODULE"] = f"tests.benchmarks.{settings}"
    follower = site.start("follow_journal")
    site.env["DJANGO_SETTINGS_MODULE"] = module
    wait_for(lambda: cpu_percent(follower.pid, seconds=1) < 5, timeout=60, message="it rests")
    client = Steady(site.port, "/in/demo/", rate=RATE, body=body(lab.conditions.body))
    with ThreadPoolExecutor() as pool:
        posted = pool.submit(client.post, seconds)
        percent = cpu_percent(follower.pid, seconds=seconds)
        if set(posted.result().answers) != {"202"}:
            raise RuntimeError(f"not all posts were stored: {posted.result().answers}")
    site.terminate("follow_journal")
    return percent
