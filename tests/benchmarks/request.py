"""A post as a web server hands it to Django."""

from io import BytesIO

from notifications.wsgi import Request
from tests.benchmarks.payload import CONTENT_TYPE, HEADERS


def request(data: bytes, source: str) -> Request:
    """With a sender's headers."""
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HEADERS.items()}
    del headers["HTTP_CONTENT_TYPE"]
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/in/{source}/",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": CONTENT_TYPE,
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.input": BytesIO(data),
    }
    return Request(environ | headers)
