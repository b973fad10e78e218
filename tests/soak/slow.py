"""Clients that send a head or a body a byte at a time, all along, and never finish: they are to be sent away."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Final

from tests.soak.held import Held, Line
from tests.soak.tally import Tally
from tests.soak.web import TIMEOUT

HEAD: Final = b"POST /in/quick/ HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n"
#: What each begins with; bytes without an end follow.
KINDS: Final[Mapping[str, bytes]] = {
    "a head": HEAD + b"X-Slow: ",
    "a body": HEAD + b"Content-Length: 1000\r\n\r\n",
    "a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n",
}
#: How many of each kind there are at a time, and how often each sends a byte.
CLIENTS: Final = 2
PACE: Final = 0.5
#: Sent after a slow client, to the same socket: its answer shows that the slow client was accepted before. Without a
#: host the server refuses it itself, so no request is counted.
PROBE: Final = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
#: Seconds after which the server ends it (proppy/slow_clients.py), give or take, where it is not frozen meanwhile. They
#: begin when it is accepted: a busy server lets connections wait, in their order.
SOONEST: Final = 25.0
LATEST: Final = 30.0 + TIMEOUT + 20.0


class SlowClients:
    """They come again and again, until `run()` is cancelled."""

    def __init__(self, port: int, held: Held) -> None:
        self.tallies = {f"slow clients, {kind}": Tally() for kind in KINDS}
        #: Outcomes that are wrong.
        self.errors: list[str] = []
        self._port, self._held = port, held

    async def run(self) -> None:
        """Never returns."""
        async with asyncio.TaskGroup() as group:
            for kind in KINDS:
                for _ in range(CLIENTS):
                    group.create_task(self._come_again(kind))

    async def _come_again(self, kind: str) -> None:
        tally = self.tallies[f"slow clients, {kind}"]
        while True:
            problem, cut = await self._come(KINDS[kind])
            tally.requests += 1
            tally.cut += cut
            tally.errors += bool(problem)
            if problem:
                self.errors.append(f"slow clients, {kind}: {problem}")

    async def _come(self, first: bytes) -> tuple[str, bool]:
        """What was wrong, else ""; whether the server was killed or frozen under it."""
        opened = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        line = Line(writer.get_extra_info("sockname")[1], opened, opened)
        sending = asyncio.create_task(_trickle(writer, first))
        limit = asyncio.timeout(None)
        limiting = asyncio.create_task(self._limit(limit))
        try:
            async with limit:
                answer = await reader.read(100)
        except TimeoutError:
            return f"still connected {LATEST:g} s after it was accepted", False
        except OSError:  # closed, while a byte was on its way
            answer = b""
        finally:
            sending.cancel()
            limiting.cancel()
            writer.close()
        took = time.monotonic() - opened
        if answer and not answer.startswith(b"HTTP/1.1 408 "):
            return f"answered {answer[:40]!r}", False
        if took < SOONEST:
            cut = bool(self._held.cut(line))
            return ("" if cut else f"sent away after {took:.1f} s"), cut
        return "", False

    async def _limit(self, limit: asyncio.Timeout) -> None:
        """LATEST begins once a connection that was opened later is answered. Asks again if a killed server had it."""
        answer = b""
        while not answer:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                with closing(writer):
                    writer.write(PROBE)
                    answer = await reader.read(100)
            await asyncio.sleep(PACE)
        limit.reschedule(asyncio.get_running_loop().time() + LATEST)


async def _trickle(writer: asyncio.StreamWriter, first: bytes) -> None:
    writer.write(first)
    while True:
        await asyncio.sleep(PACE)
        writer.write(b"a")
