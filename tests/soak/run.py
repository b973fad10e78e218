"""One soak: send, break, mend, drain, compare."""

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from tests.soak import table
from tests.soak.effects import Books, Effect
from tests.soak.faults import Faults
from tests.soak.load import Load
from tests.soak.plant import Plant

#: Seconds between two lines of progress.
PROGRESS: Final = 5.0
#: Seconds without any progress after which what has not come counts as lost: payloads wait for their next attempts.
PATIENCE: Final = 90.0
#: The same where only events are missing.
EVENTS_PATIENCE: Final = 30.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to run it. Seconds of faults and of quiet are drawn between the two; `seconds` ends it early. `each_fault`:
    it sends more than so many requests, if some kind of fault has not been there yet.

    `only`: kinds of faults whose names begin so.
    """

    requests: int = 1_000_000
    rate: float = 150.0
    seed: str = "1"
    seconds: float = 1e9
    fault_seconds: tuple[float, float] = (1.0, 8.0)
    quiet_seconds: tuple[float, float] = (3.0, 8.0)
    only: str = ""
    each_fault: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it. `drained` is the seconds until the last effect was there."""

    load: Load
    faults: Faults
    effects: list[Effect]
    notes: dict[str, int]
    losses: list[str]
    logs: list[str]
    exits: dict[str, list[int | None]]
    drained: float

    @property
    def reached(self) -> bool:
        """Whether the goal was: no error on any route, nothing lost, nothing repeated that must not be."""
        return not self.load.errors and not any(effect.missed for effect in self.effects)

    def text(self) -> str:
        """The tables and what else is to be said, as Markdown."""
        load = self.load
        parts = [
            table.routes(load.all_routes()),
            table.faults(load.faults, self.faults.seen, self.faults.seconds),
            table.effects(self.effects),
            "\n".join(f"- {name}: {count:,}" for name, count in self.notes.items()),
            f"{load.sent:,} requests in {load.seconds:,.0f} s; the last effect was there {self.drained:.0f} s after the"
            " last answer. " + ("The goal was reached." if self.reached else "**The goal was missed.**"),
        ]
        if load.errors:
            parts.append("\n".join(f"- {count:,} x {error}" for error, count in load.errors.most_common(30)))
        return "\n\n".join(parts)


def soak(options: Options, folder: Path, say: Say) -> Result:
    """Run it in an empty folder, in the main thread. SIGINT or SIGTERM ends the sending; the accounts follow."""
    over = threading.Event()
    with Plant(folder, over.wait) as plant:
        say(f"everything runs, on port {plant.site.port}; seed {options.seed}")
        lengths = {"seconds": options.fault_seconds, "quiet": options.quiet_seconds}
        faults = Faults(plant, options.seed, over, only=options.only, **lengths)
        load = Load(plant.site.port, options.seed, faults.now, plant.held)
        asyncio.run(_send(load, faults, options, say))
        # Not lost where the accounts, which take long, come to no end.
        say(
            "\n".join(
                ["sent", table.routes(load.all_routes()), *(f"{n:,} x {e}" for e, n in load.errors.most_common(30))]
            )
        )
        return _account(plant, load, faults, say)


async def _send(load: Load, faults: Faults, options: Options, say: Say) -> None:
    await load.warm_up()
    progress = asyncio.create_task(_progress(load, faults, say))
    with _ends_early(load, say), faults:
        try:
            enough = faults.had_each if options.each_fault else lambda: True
            await load.run(options.requests, options.rate, options.seconds, enough)
        finally:
            progress.cancel()


@contextmanager
def _ends_early(load: Load, say: Say) -> Iterator[None]:
    """SIGINT and SIGTERM end the sending; a second one ends it all, as before."""

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        load.stopped = True
        say("no more requests: the accounts follow")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _progress(load: Load, faults: Faults, say: Say) -> None:
    while True:
        await asyncio.sleep(PROGRESS)
        away = sum(tally.away for tally in load.routes.values())
        doing = f"{load.sent:,} requests, {load.in_flight} in flight, {load.errors.total()} errors"
        say(f"{doing}, {load.cut} cut, {away} friendly 503; now: {faults.now().fault or 'quiet'}")


def _account(plant: Plant, load: Load, faults: Faults, say: Say) -> Result:
    started = time.monotonic()
    books = Books(plant, load.ledger, kills=faults.seen["process_raw killed"])
    plant.stop_web()
    _drain(plant, books, say)
    drained = time.monotonic() - started
    effects, notes, losses = books.effects(), books.notes(), books.losses()
    return Result(load, faults, effects, notes, losses, plant.logs(), plant.exits(), drained)


def _drain(plant: Plant, books: Books, say: Say) -> None:
    """Until nothing waits, or what waits has been the same for long."""
    last, since, said = "", time.monotonic(), 0.0
    pause = threading.Event()  # never set
    while waiting := books.waiting():
        now = time.monotonic()
        if waiting != last:
            last, since = waiting, now
        patience = PATIENCE if "payloads" in waiting or "files" in waiting else EVENTS_PATIENCE
        if now - since > patience:
            say(f"no progress for {patience:g} s: {waiting}")
            return
        if now - said > PROGRESS:
            said = now
            say(f"waiting for: {waiting}")
        plant.look_after()
        pause.wait(0.5)


def say(text: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
