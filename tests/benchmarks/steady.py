"""A client that posts at a steady rate over kept connections, however slowly it is answered."""

import http.client
import threading
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.benchmarks.payload import CONTENT_TYPE

CONNECTIONS: Final = 4
TIMEOUT: Final = 30.0
HEADERS: Final = {
    "Content-Type": CONTENT_TYPE,
    "X-Forwarded-Proto": "https",  # as nginx would send it on
    "X-Forwarded-For": "203.0.113.7",
}


@dataclass(slots=True)
class Posted:
    """Times are nanoseconds from the moment a request was due. `answers`: how many got which status, or none."""

    times: "array[int]" = field(default_factory=lambda: array("q"))
    answers: Counter[str] = field(default_factory=Counter)


class Steady:
    """Posts `rate` requests a second to a path of 127.0.0.1:`port`, each with a body of its own."""

    def __init__(self, port: int, path: str, *, rate: float, body: bytes) -> None:
        self._port, self._path, self._rate, self._body = port, path, rate, body
        self._lock = threading.Lock()
        self._sent = 0

    def post(self, seconds: float) -> Posted:
        """Post for so long; what came of it."""
        posted = Posted()
        start, count = time.monotonic_ns(), int(seconds * self._rate)
        threads = [
            threading.Thread(target=self._run, args=[posted, start, range(number, count, CONNECTIONS)])
            for number in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._sent += count
        return posted

    def _run(self, posted: Posted, start: int, numbers: range) -> None:
        wire = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
        pause = threading.Event()  # never set
        for number in numbers:
            due = start + int(number / self._rate * 1e9)
            pause.wait(max(0.0, (due - time.monotonic_ns()) / 1e9))
            try:
                wire.request("POST", self._path, b"%d %b" % (self._sent + number, self._body), HEADERS)
                with wire.getresponse() as response:
                    response.read()
                answer = str(response.status)
            except (OSError, http.client.HTTPException) as error:
                wire.close()
                answer = type(error).__name__
            with self._lock:
                posted.times.append(time.monotonic_ns() - due)
                posted.answers[answer] += 1
        wire.close()
