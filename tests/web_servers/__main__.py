"""`make web-servers`: the table of docs/web-servers.md, measured. Ten minutes."""

import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.web_servers import bodies, slow, speed
from tests.web_servers.servers import SERVERS, Server, nginx_before, running

ROUNDS: Final = 5
TRIES: Final = 10
#: Seconds that an answer may take while others send slowly.
PATIENCE: Final = 5.0
HEAD: Final = (
    "server",
    "bodies altered or requests smuggled",
    "behind nginx",
    f"answered of {TRIES} while {slow.CLIENTS} send slowly",
    "behind nginx",
    "requests/s, empty application",
    "the site's intake",
)


def main() -> None:
    """Print what was found of each case, then the table."""
    cells = {name: [*wrong(name), *reached(name)] for name in SERVERS}
    empty, intake = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for turn in range(ROUNDS):
        for name in SERVERS:
            say(f"speed, round {turn + 1}: {name}")
            empty[name].append(speed.empty(name))
            intake[name].append(speed.intake(name))
    print_row(HEAD)
    print_row(["---"] * len(HEAD))
    for name in SERVERS:
        print_row([name, *cells[name], spread(empty[name]), spread(intake[name])])


def wrong(name: str) -> list[str]:
    """How many cases went wrong alone, and behind nginx."""
    counts = []
    with both_ways(name) as (server, ports):
        for place, port in ports.items():
            found = {case.name: bodies.judge(server, port, case) for case in bodies.cases()}
            for case, why in found.items():
                if why:
                    say(f"{name}, {place}: {case}: {why}")
            counts.append(f"{sum(map(bool, found.values()))} of {len(found)}")
    return counts


def reached(name: str) -> list[str]:
    """How many posts were answered while many clients send slowly: alone, and behind nginx."""
    counts = []
    with both_ways(name) as (_, ports):
        for place, port in ports.items():
            with slow.SlowClients(port):
                times = slow.answered(port, TRIES, PATIENCE)
            counts.append(str(sum(time != float("inf") for time in times)))
            say(f"{name}, {place}: {counts[-1]} of {TRIES} answered, the slowest after {max(times):.3f} s")
    return counts


@contextmanager
def both_ways(name: str) -> Iterator[tuple[Server, dict[str, int]]]:
    """A server, and the ports of it alone and of an nginx before it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(name, Path(folder, "server")) as server,
        nginx_before(server.port, Path(folder, "nginx")) as nginx,
    ):
        yield server, {"alone": server.port, "behind nginx": nginx}


def spread(rates: list[float]) -> str:
    """The median, and the lowest and highest."""
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})" if all(rates) else "fails"


def say(line: str) -> None:
    """Progress goes to stderr, the table to stdout."""
    print(line, file=sys.stderr, flush=True)


def print_row(cells: Iterable[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
