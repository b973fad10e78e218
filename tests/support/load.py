"""A steady client: posts at a fixed rate, each with a connection of its own, and keeps what was answered."""

import http.client
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from random import randrange
from types import TracebackType

from tests.support.wait import wait_for

HEADERS = {
    "Host": "localhost",
    "X-Forwarded-Proto": "https",
    "Content-Type": "application/x-www-form-urlencoded",
    "Connection": "close",
}


def post(port: int, path: str, body: bytes, **more: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by lower-case name, and body. Raises OSError or HTTPException where there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body, HEADERS | more)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()
    finally:
        connection.close()


class Load:
    """`with Load(port) as load:` posts contact forms to /in/contact/ from two threads until the block ends.

    `accepted` has the marks of those that were answered with 202; `refused` counts everything else. `send` posts one
    form another way: body and headers in, status out.
    """

    def __init__(
        self, port: int, *, per_second: float = 50, threads: int = 2, send: Callable[..., int] | None = None
    ) -> None:
        self._send = send or (lambda body, **headers: post(port, "/in/contact/", body, **headers)[0])
        self._pause = threads / per_second
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._loop, name=f"load-{number}") for number in range(threads)]
        self._lock = threading.Lock()
        self.accepted: list[str] = []
        self.refused: Counter[str] = Counter()

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _loop(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            self._one()
            due = max(due + self._pause, time.monotonic())
            self._stop.wait(due - time.monotonic())

    def _one(self) -> None:
        mark = uuid.uuid4().hex
        body = f"name={mark}&email=a%40example.org&text=hello".encode()
        try:
            # Of one of many clients: each may post so often.
            client = f"10.{randrange(256)}.{randrange(256)}.{randrange(1, 255)}"
            outcome = str(self._send(body, **{"X-Forwarded-For": client}))
        except (OSError, http.client.HTTPException) as error:
            outcome = f"{type(error).__name__}: {error}"
        with self._lock:
            if outcome == "202":
                self.accepted.append(mark)
            else:
                self.refused[outcome] += 1

    def during(self, what: Callable[[], object]) -> None:
        """Post before, while and after something happens."""
        self.wait_for_more()
        what()
        self.wait_for_more()

    def wait_for_more(self, count: int = 20) -> None:
        """Until so many more requests were answered."""
        answered = len(self.accepted) + self.refused.total()
        wait_for(
            lambda: len(self.accepted) + self.refused.total() >= answered + count,
            timeout=60,
            message=f"{count} more answers",
        )
