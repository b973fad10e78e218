"""Posts payloads at a steady rate whatever becomes of the site, and remembers what it was answered."""

import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from notifications.http.idempotency import receipt_for

#: Seconds to wait for an answer: longer than any fault that is no death.
TIMEOUT: Final = 20.0
#: Bodies in bytes; the last are stored outside the row.
SIZES: Final = (0, 1, 100, 1000, 1000, 1000, 20_000, 300_000)


@dataclass(slots=True)
class Sent:
    """A body, and what the site said of it. `receipt` is "" while nothing was promised."""

    source: str
    body: bytes
    key: str
    receipt: str = ""
    tries: list[str] = field(default_factory=list)


class Poster:
    """Threads that post until `finish()`. What has a key is sent again until it is taken."""

    def __init__(self, port: int, *, seed: str, rate: float, threads: int = 4) -> None:
        self.sent: list[Sent] = []
        self.answers: Counter[str] = Counter()
        self.slowest = 0.0
        self._port = port
        self._stop, self._give_up = threading.Event(), threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._guard, args=[random.Random(f"{seed} client {number}"), threads / rate])
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def finish(self, timeout: float) -> None:
        """Send nothing new. AssertionError when what has a key is not taken within so many seconds."""
        self._stop.set()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = any(thread.is_alive() for thread in self._threads)
        self._give_up.set()
        for thread in self._threads:
            thread.join(TIMEOUT + 10)
        if self._errors:
            raise self._errors[0]
        assert not late, f"the site does not take posts: {self.answers}"

    def _guard(self, chance: random.Random, interval: float) -> None:
        try:
            self._post_all(chance, interval)
        except BaseException as error:  # noqa: BLE001  raised by finish()
            self._errors.append(error)

    def _post_all(self, chance: random.Random, interval: float) -> None:
        wire = Wire(self._port)
        open_ones: list[Sent] = []
        while not self._stop.wait(chance.uniform(0, 2 * interval)):
            sent = _new(chance)
            self.sent.append(sent)
            self._post(wire, sent, chance)
            if sent.key and (not sent.receipt or chance.random() < 0.1):  # a repetition is harmless
                open_ones.append(sent)
            if open_ones and chance.random() < 0.5:
                again = open_ones.pop(0)
                self._post(wire, again, chance)
                if not again.receipt:
                    open_ones.append(again)
        while open_ones and not self._give_up.wait(0.05):
            self._post(wire, open_ones[0], chance)
            if open_ones[0].receipt:
                open_ones.pop(0)
        wire.close()

    def _post(self, wire: "Wire", sent: Sent, chance: random.Random) -> None:
        started = time.monotonic()
        try:
            status, headers, answer = wire.post(
                f"/in/{sent.source}/", sent.body, sent.key, close=chance.random() < 0.2, chunked=chance.random() < 0.3
            )
        except (OSError, http.client.HTTPException) as error:
            wire.close()
            said = type(error).__name__
        else:
            self.slowest = max(self.slowest, time.monotonic() - started)
            said = str(status)
            if status == 202:
                self._note_receipt(sent, json.loads(answer)["id"])
            elif "retry-after" in headers:
                said += " with Retry-After"
        sent.tries.append(f"{time.strftime('%H:%M:%S')} {said}")
        self.answers[said] += 1

    @staticmethod
    def _note_receipt(sent: Sent, receipt: str) -> None:
        assert sent.receipt in {"", receipt}, f"two receipts for one key: {sent.receipt}, {receipt}"
        assert not sent.key or receipt == str(receipt_for(sent.source, sent.key))
        sent.receipt = receipt


class Wire:
    """A connection to the site that is opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)

    def post(self, path: str, body: bytes, key: str, *, close: bool, chunked: bool) -> tuple[int, set[str], bytes]:
        """Status, names of headers, and the answer. Raises OSError and HTTPException where there is none."""
        headers = {"Content-Type": "application/octet-stream"}
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= {"Connection": "close"} if close else {}
        pieces = [body[:700], body[700:]]
        if chunked:
            self._connection.request("POST", path, filter(None, pieces), headers, encode_chunked=True)
        else:
            self._connection.request("POST", path, body, headers)
        with self._connection.getresponse() as response:
            answer = response.read()
        if close:
            self.close()
        return response.status, {name.lower() for name in response.headers}, answer

    def close(self) -> None:
        self._connection.close()


def _new(chance: random.Random) -> Sent:
    size = chance.choices(SIZES, weights=(1, 1, 5, 5, 5, 5, 3, 1))[0]
    body = chance.randbytes(16) + chance.randbytes(size)  # no two are alike
    key = str(uuid.UUID(int=chance.getrandbits(128))) if chance.random() < 0.5 else ""
    return Sent(chance.choice(("quick", "quick", "slow", "flaky")), body, key)
