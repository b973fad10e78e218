"""From `keep()` to the start of the handler, for a worker that has nothing else to do."""

from collections.abc import Iterator
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.process import cpu_percent
from tests.benchmarks.table import Row

LATENCY_MS: Final = 5
CORE_PERCENT: Final = 0.5
#: Seconds for which the idle worker is watched.
WATCHED: Final = 12.0


def rows(lab: Lab) -> Iterator[Row]:
    site = lab.site()
    worker = site.start("process_raw")
    lab.inside(site, "idle", payloads=1)  # it has started when this one has
    percent = cpu_percent(worker.pid, lab.seconds(WATCHED))
    numbers = lab.inside(site, "idle", payloads=lab.count(60))
    site.terminate("process_raw")
    median = numbers["median"]
    text = (
        f"p95 {numbers['p95']:.1f} ms, worst {numbers['worst']:.1f} ms, from the call of `keep()`; "
        f"the idle worker takes {percent:.2f} % of a core; SQLite NORMAL"
    )
    reached = median <= LATENCY_MS and percent <= CORE_PERCENT
    reach = f"median <= {LATENCY_MS} ms, <= {CORE_PERCENT} % of a core"
    yield Row("enqueue to start, idle", "", reach, f"{median:.1f} ms", reached, text)
