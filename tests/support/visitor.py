"""A visitor of the site: cookies, redirects, forms and files, from the standard library alone."""

import re
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin

_CSRF_FIELD = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Response:
    """What the site answered after redirects; `url` is where they led."""

    status: int
    url: str
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode(errors="replace")


@dataclass(slots=True)
class Visitor:
    """Browses the site at `base_url`, with cookies. Forms send the CSRF token of the page seen last."""

    base_url: str
    page: Response | None = None
    cookies: CookieJar = field(default_factory=CookieJar)

    def get(self, path: str) -> Response:
        """Open a page."""
        return self.open(path, None, {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send bytes as they are, as a program would: without the CSRF token."""
        return self.open(path, body, headers)

    def post_form(self, path: str, **fields: str) -> Response:
        """Send a form, urlencoded."""
        body = urlencode(self._csrf() | fields).encode()
        return self.open(path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def upload(
        self, path: str, field: str, filename: str, content: bytes, *, content_type: str, **fields: str
    ) -> Response:
        """Send a form with one file, as multipart/form-data."""
        boundary = uuid.uuid4().hex
        start = f'--{boundary}\r\nContent-Disposition: form-data; name="'
        parts = [f'{start}{name}"\r\n\r\n{value}\r\n' for name, value in (self._csrf() | fields).items()]
        parts.append(f'{start}{field}"; filename="{filename}"\r\nContent-Type: {content_type}\r\n\r\n')
        body = "".join(parts).encode() + content + f"\r\n--{boundary}--\r\n".encode()
        return self.open(path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def _csrf(self) -> dict[str, str]:
        token = _CSRF_FIELD.search(self.page.text) if self.page else None
        return {"csrfmiddlewaretoken": token[1]} if token else {}

    def open(self, path: str, body: bytes | None, headers: Mapping[str, str]) -> Response:
        """Open a page with headers of one's own; with a body it is posted."""
        origin = {} if body is None else {"Origin": self.base_url}
        request = urllib.request.Request(urljoin(self.base_url, path), body, {**origin, **headers})
        # No proxy of the environment: the site is on this machine.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )
        try:
            answer: Any = opener.open(request, timeout=30)
        except HTTPError as error:
            answer = error
        with answer:
            self.page = Response(answer.status, answer.url, answer.headers, answer.read())
        return self.page
