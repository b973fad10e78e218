"""An HTTP client that costs little, and sends what no well-behaved one would."""

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from tests.soak.held import Line

#: Seconds for an answer: longer than any fault.
TIMEOUT: Final = 60.0
#: Requests on one connection, so that connections spread over the servers that share a port.
USES: Final = 50
#: Seconds after which a connection that is idle is used no more: the server's keep-alive must not end under a request.
IDLE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names in lower case; `cookies` are the values of Set-Cookie."""

    status: int
    headers: dict[str, str]
    cookies: list[str]
    body: bytes


class Broken(Exception):
    """There was no answer; the text says how. `line`: the connection that ended under it, None where none did."""

    def __init__(self, text: str, line: Line | None) -> None:
        super().__init__(text)
        self.line = line


class Wires:
    """Connections to 127.0.0.1:`port`, as many as are needed at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[_Wire] = deque()

    async def exchange(self, request: bytes, *, alone: bool = False, end: bool = False) -> Answer:
        """The answer to one request. `alone`: on a connection of its own; `end`: nothing more is sent after it.

        Raises Broken.
        """
        wire = None
        try:
            async with asyncio.timeout(TIMEOUT):
                wire = await self._take(alone=alone)
                answer = await wire.exchange(request, end=end)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            if wire:
                wire.close()
            ended = wire.line if wire and not isinstance(error, TimeoutError) else None
            raise Broken(f"{type(error).__name__}: {error}"[:100], ended) from error
        if alone or wire.uses >= USES or answer.headers.get("connection") == "close":
            wire.close()
        else:
            self._idle.append(wire)
        return answer

    async def _take(self, *, alone: bool) -> "_Wire":
        while self._idle and not alone:
            wire = self._idle.popleft()
            if wire.usable:
                return wire
            wire.close()
        opened = time.monotonic()
        return _Wire(*await asyncio.open_connection("127.0.0.1", self._port), opened)

    async def close(self) -> None:
        """Close what is idle."""
        for wire in self._idle:
            wire.close()
            await wire.closed()


class _Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened: float) -> None:
        self._reader, self._writer = reader, writer
        self.uses = 0
        self.line = Line(writer.get_extra_info("sockname")[1], opened, opened)
        self._last = opened

    @property
    def usable(self) -> bool:
        is_fresh = time.monotonic() - self._last < IDLE
        return is_fresh and not self._reader.at_eof() and not self._writer.is_closing()

    async def exchange(self, request: bytes, *, end: bool) -> Answer:
        self.uses += 1
        self.line = self.line._replace(sent=time.monotonic())
        self._writer.write(request)
        if end:
            self._writer.write_eof()
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers, cookies = {}, []
        for line in filter(None, head[1:]):
            name, _, value = line.partition(":")
            if name.lower() == "set-cookie":
                cookies.append(value.strip())
            headers[name.lower()] = value.strip()
        body = await self._body(headers)
        self._last = time.monotonic()
        return Answer(int(head[0].split()[1]), headers, cookies, body)

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self._reader.readexactly(int(headers.get("content-length", 0)))
        chunks = []
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            chunks.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readuntil(b"\r\n")
        return b"".join(chunks)

    def close(self) -> None:
        self._writer.close()

    async def closed(self) -> None:
        with suppress(OSError):
            await self._writer.wait_closed()
