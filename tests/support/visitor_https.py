"""A visitor of a site that is only ever seen over HTTPS, through a proxy that this plays."""

import http.client
import io
import re
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from PIL import Image

BOUNDARY = "a-boundary-of-the-tests"


class HttpsVisitor:
    """Keeps cookies and the CSRF token of the page seen last."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies: dict[str, str] = {}
        self._token = ""

    def request(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> tuple[int, str]:
        """Status and body; redirects are not followed."""
        headers = {
            "Host": "localhost",
            "Origin": "https://localhost",
            "X-Forwarded-Proto": "https",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
        }
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(method, path, body, headers | ({"Content-Type": content_type} if content_type else {}))
            answer = connection.getresponse()
            text = answer.read().decode()
            for header in answer.headers.get_all("Set-Cookie", []):
                self._cookies |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
        finally:
            connection.close()
        if found := re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text):
            self._token = found[1]
        return answer.status, text

    def post_form(self, path: str, **fields: str) -> int:
        body = urlencode({"csrfmiddlewaretoken": self._token} | fields).encode()
        return self.request("POST", path, body, "application/x-www-form-urlencoded")[0]

    def upload(self, path: str, field: str, content: bytes) -> int:
        start = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
        parts = f'{start}csrfmiddlewaretoken"\r\n\r\n{self._token}\r\n{start}{field}"; filename="a.png"\r\n\r\n'
        body = parts.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        return self.request("POST", path, body, f"multipart/form-data; boundary={BOUNDARY}")[0]


def sign_up_and_upload(port: int, *, name: str, email: str) -> None:
    """A new user with a photo. AssertionError unless both were taken."""
    visitor = HttpsVisitor(port)
    assert visitor.request("GET", "/")[0] == 200
    assert visitor.post_form("/sign-up/", name=name, email=email) == 302
    assert visitor.request("GET", "/")[0] == 200
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(picture, "PNG")
    assert visitor.upload("/photos/", "photo", picture.getvalue()) == 302
