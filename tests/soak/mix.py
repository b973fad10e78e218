"""What is sent: raw posts of real and hostile shapes, in seeded proportions. See visitors.py for the rest."""

import json
import random
import uuid
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode

from tests.soak.bad_bodies import CHUNKED, bad_body
from tests.soak.ledger import Ledger
from tests.soak.request import FORM, NO_HEADERS, Request, http
from tests.soak.wire import Answer

#: How often each is sent, by the name of a method of RawPosts.
WEIGHTS: Final = {
    "contact": 25,
    "browser": 3,
    "broken_form": 4,
    "webhook": 36,
    "odd_bytes": 9,
    "large": 0.5,
    "slow": 4,
    "flaky": 3,
    "repeated": 5,
    "other_bytes": 1.5,
    "in_chunks": 4,
    "bad_body": 6,
    "refused": 5,
}


class Keyed(NamedTuple):
    """A body that was sent under a key. Without a receipt where the answer never came: then it is sent again."""

    source: str
    key: str
    body: bytes
    receipt: uuid.UUID | None


class RawPosts:
    """Makes raw posts by `chance`, and notes in `ledger` what is answered."""

    def __init__(self, chance: random.Random, ledger: Ledger) -> None:
        self._chance, self._ledger = chance, ledger
        self._keyed: deque[Keyed] = deque(maxlen=200)

    def next(self) -> Request:
        """One of the kinds of WEIGHTS."""
        kind = self._chance.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
        request: Request = getattr(self, f"_{kind}")()
        return request

    def _contact(self, headers: Mapping[str, str] = NO_HEADERS) -> Request:
        number = self._chance.getrandbits(64)
        text = "Hello, what does it cost? " * self._chance.randrange(1, 20)
        body = urlencode({"name": f"Ada {number}", "email": f"{number}@example.org", "text": text}).encode()
        return self._post("contact", body, {"Content-Type": FORM, **headers}, valid=True)

    def _browser(self) -> Request:
        return self._contact({"Accept": "text/html,*/*;q=0.8"})

    def _broken_form(self) -> Request:
        mark = self._chance.randbytes(8).hex()
        types = [FORM, "application/json", "multipart/form-data; boundary=x", "multipart/form-data", ""]
        bodies = [f'{{"name": "{mark}"', f"--x\r\nContent-Disposition: form-data; {mark}", f"name={mark}&%ff=%", mark]
        kind = self._chance.choice(types)
        return self._post("contact", self._chance.choice(bodies).encode(), {"Content-Type": kind} if kind else {})

    def _webhook(self) -> Request:
        items = [{"sku": self._chance.getrandbits(40), "text": "x" * 40} for _ in range(self._chance.randrange(1, 16))]
        body = json.dumps({"id": self._chance.randbytes(16).hex(), "type": "order.paid", "items": items}).encode()
        return self._post("quick", body, {"Content-Type": "application/json"}, key=self._key(0.3))

    def _odd_bytes(self) -> Request:
        size = self._chance.choice([0, 1, 7, 100, 1000, 20_000])
        types = ["", "application/json", "text/plain; charset=?", "multipart/form-data; boundary=", "a" * 300]
        kind = self._chance.choice(types)
        return self._post("quick", self._chance.randbytes(size), {"Content-Type": kind} if kind else {})

    def _large(self) -> Request:
        return self._post("quick", self._chance.randbytes(300_000), label="300 kB")

    def _slow(self) -> Request:
        return self._post("slow", self._chance.randbytes(200))

    def _flaky(self) -> Request:
        return self._post("flaky", self._chance.randbytes(200))

    def _in_chunks(self) -> Request:
        body = self._chance.randbytes(self._chance.randrange(1, 3000))
        half = len(body) // 2
        parts = [part for part in (body[:half], body[half:]) if part]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*parts, b""])
        return self._post("quick", body, CHUNKED, data=chunks)

    def _repeated(self) -> Request:
        if not self._keyed:
            return self._webhook()
        before = self._chance.choice(self._keyed)
        self._keyed.remove(before)  # its answer puts it back: other bytes must not overtake it
        return self._post(before.source, before.body, key=before.key, label="a key again", receipt=before.receipt)

    def _other_bytes(self) -> Request:
        if not self._keyed:
            return self._webhook()
        before = self._chance.choice(self._keyed)
        if before.receipt is None:  # others might take its key
            return self._webhook()
        # It never comes again with its own bytes: the spool may have taken the others, and knows no better by itself.
        self._keyed.remove(before)

        def settle(answer: Answer, uneasy: bool) -> str:
            if answer.status == 202 and not uneasy:
                return "202 for other bytes under a used key"
            self._ledger.other_bytes += answer.status == 202
            return ""

        def fail() -> None:
            self._ledger.unsure_other_bytes += 1

        data = http("POST", f"/in/{before.source}/", self._chance, b"other", {"Idempotency-Key": before.key})
        return Request("POST /in/…, a key with other bytes", data, frozenset({422, 202}), settle, fail)

    def _bad_body(self) -> Request:
        bad = bad_body(self._chance)
        data = bad.data if bad.headers is None else http("POST", "/in/quick/", self._chance, bad.data, bad.headers)
        taken = bad.taken

        def settle(answer: Answer, _: bool) -> str:
            if taken is not None:
                self._ledger.taken("quick", _receipt(answer), taken)
            return ""

        def fail() -> None:
            if taken is not None:
                self._ledger.cut("quick", taken)

        return Request(f"POST /in/…, {bad.name}", data, frozenset({bad.status}), settle, fail, alone=True, end=bad.end)

    def _refused(self) -> Request:
        chance = self._chance
        long = {"Content-Length": "500"}
        status, data, end = chance.choice(
            [
                (405, http("GET", "/in/quick/", chance), False),
                (405, http("PUT", "/in/quick/", chance, b"x"), False),
                (404, http("POST", "/in/nobody/", chance, b"x"), False),
                (404, http("POST", "/in/photo/", chance, b"x"), False),
                (413, http("POST", "/in/small/", chance, bytes(10_001)), False),
                (413, http("POST", "/in/quick/", chance, b"x", {"Content-Length": str(10**15)}), False),
                (400, http("POST", "/in/quick/", chance, b"too short", long), True),
                (400, http("POST", "/in/quick/", chance, b"x", {"Idempotency-Key": "k" * 300}), False),
            ]
        )
        return Request("POST /in/…, refused", data, frozenset({status}), _nothing, alone=True, end=end)

    def _key(self, share: float) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128))) if self._chance.random() < share else ""

    def _post(
        self,
        source: str,
        body: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        *,
        key: str = "",
        data: bytes | None = None,
        label: str = "",
        valid: bool = False,
        receipt: uuid.UUID | None = None,
    ) -> Request:
        def settle(answer: Answer, _: bool) -> str:
            given = _receipt(answer)
            if receipt not in {None, given}:
                return f"another receipt for a key that came again: {given}, {receipt}"
            self._ledger.taken(source, given, body, valid=valid)
            if key:
                self._keyed.append(Keyed(source, key, body, given))
            return ""

        def fail() -> None:
            self._ledger.cut(source, body, key=key, valid=valid)
            if key:
                self._keyed.append(Keyed(source, key, body, receipt))

        headers = {**headers, "Idempotency-Key": key} if key else headers
        bytes_sent = http("POST", f"/in/{source}/", self._chance, body if data is None else data, headers)
        name = "POST /in/contact/" if source == "contact" else "POST /in/…"
        expect = frozenset({303 if "Accept" in headers else 202})
        return Request(f"{name}, {label}" if label else name, bytes_sent, expect, settle, fail)


def _receipt(answer: Answer) -> uuid.UUID:
    """From the JSON, or from the address that a browser is sent to."""
    if answer.status == 303:
        return uuid.UUID(answer.headers["location"].partition("receipt=")[2].partition("#")[0])
    return uuid.UUID(json.loads(answer.body)["id"])


def _nothing(_: Answer, __: bool) -> str:
    return ""
