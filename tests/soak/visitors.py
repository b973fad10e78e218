"""Visitors with cookies: they look at pages, sign up and send photos."""

import io
import random
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from PIL import Image

from tests.soak.ledger import Ledger
from tests.soak.request import FORM, Request, http
from tests.soak.wire import Answer

BOUNDARY: Final = "a-boundary-of-the-soak"
TOKEN: Final = re.compile(rb'name="csrfmiddlewaretoken" value="([^"]+)"')
#: How often each is done, by the name of a method of Visitors.
WEIGHTS: Final = {"arrive": 10, "look": 4, "refresh": 6, "health": 3, "sign_up": 6, "sign_up_wrongly": 1, "upload": 5}


@dataclass(slots=True)
class Visitor:
    """A browser, as far as the site can see."""

    email: str
    token: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def remember(self, answer: Answer) -> None:
        """Keep cookies and the CSRF token of the last page, or that of the cookie, which a page would hold."""
        for cookie in answer.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
            if name == "csrftoken":
                self.token = value
        if found := TOKEN.search(answer.body):
            self.token = found[1].decode()

    def headers(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Origin": "https://localhost"} | ({"Cookie": cookies} if cookies else {})


class Visitors:
    """Makes visitors' requests by `chance`, and notes in `ledger` what is answered."""

    def __init__(self, chance: random.Random, ledger: Ledger) -> None:
        self._chance, self._ledger = chance, ledger
        self._arrived: deque[Visitor] = deque(maxlen=300)
        self._members: deque[Visitor] = deque(maxlen=300)
        self._images = [_image(chance, size) for size in (16, 48, 64, 96, 160)]

    def next(self) -> Request:
        """One of the kinds of WEIGHTS."""
        kind = self._chance.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
        request: Request = getattr(self, f"_{kind}")()
        return request

    def _arrive(self) -> Request:
        visitor = Visitor(f"{self._chance.getrandbits(64):x}@example.org")
        return self._get("/", visitor, "GET /", self._arrived)

    def _look(self) -> Request:
        if not self._members:
            return self._arrive()
        return self._get("/", self._chance.choice(self._members), "GET /, signed in")

    def _refresh(self) -> Request:
        if not self._members:
            return self._arrive()
        return self._get("/activity/", self._chance.choice(self._members), "GET /activity/")

    def _health(self) -> Request:
        data = http("GET", "/healthz", self._chance)
        return Request("GET /healthz", data, frozenset({200}), lambda *_: "", counted=False)

    def _sign_up(self) -> Request:
        if not self._arrived:
            return self._arrive()
        visitor = self._arrived.popleft()

        def settle(answer: Answer) -> None:
            self._ledger.signed_up(visitor.email)
            self._members.append(visitor)

        body = urlencode(
            {"csrfmiddlewaretoken": visitor.token, "name": f"Visitor {visitor.email}", "email": visitor.email}
        )

        def fail() -> None:
            self._ledger.unsure_users.add(visitor.email)

        return self._post(visitor, "/sign-up/", body.encode(), FORM, 302, settle, fail, tells="sign-up")

    def _sign_up_wrongly(self) -> Request:
        if not (self._arrived and self._members):
            return self._arrive()
        visitor, taken = self._chance.choice(self._arrived), self._chance.choice(self._members).email
        token, email, status = self._chance.choice(
            [(visitor.token, taken, 200), (visitor.token, "no address", 200), ("", visitor.email, 403)]
        )
        body = urlencode({"csrfmiddlewaretoken": token, "name": "Ada", "email": email}).encode()
        return self._post(visitor, "/sign-up/", body, FORM, status, lambda _: None, label=", wrong")

    def _upload(self) -> Request:
        if not self._members:
            return self._arrive()
        visitor = self._members.popleft()
        is_image = self._chance.random() < 0.8
        photo = self._chance.choice(self._images) if is_image else self._chance.randbytes(500)
        state = "shown" if is_image else "refused"

        def settle(_: Answer) -> None:
            self._ledger.uploaded(visitor.email, state)
            self._members.append(visitor)

        def fail() -> None:
            self._ledger.unsure_photos[visitor.email, state] += 1
            self._members.append(visitor)

        kind = f"multipart/form-data; boundary={BOUNDARY}"
        body = _multipart(visitor.token, photo)
        return self._post(visitor, "/photos/", body, kind, 302, settle, fail, tells="photo upload")

    def _get(self, path: str, visitor: Visitor, route: str, then: "deque[Visitor] | None" = None) -> Request:
        def settle(answer: Answer, _: bool) -> str:
            visitor.remember(answer)
            if then is not None:
                then.append(visitor)
            return ""

        data = http("GET", path, self._chance, headers=visitor.headers())
        return Request(route, data, frozenset({200}), settle, raw=False)

    def _post(
        self,
        visitor: Visitor,
        path: str,
        body: bytes,
        content_type: str,
        status: int,
        settle: Callable[[Answer], None],
        fail: Callable[[], None] = lambda: None,
        label: str = "",
        tells: str = "",
    ) -> Request:
        def settled(answer: Answer, _: bool) -> str:
            if status == 302 and answer.headers.get("location") != "/":
                fail()
                return f"sent on to {answer.headers.get('location')}"
            visitor.remember(answer)
            settle(answer)
            return ""

        headers = visitor.headers() | {"Content-Type": content_type}
        data = http("POST", path, self._chance, body, headers)
        return Request(f"POST {path}{label}", data, frozenset({status}), settled, fail, raw=False, tells=tells)


def _multipart(token: str, photo: bytes) -> bytes:
    start = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
    head = f'{start}csrfmiddlewaretoken"\r\n\r\n{token}\r\n{start}photo"; filename="a.png"\r\n\r\n'
    return head.encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def _image(chance: random.Random, side: int) -> bytes:
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), chance.randbytes(side * side * 3)).save(file, "PNG")
    return file.getvalue()
