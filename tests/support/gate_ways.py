"""The two ways to an application: WSGI and ASGI. Each is asked with the same environ."""

from collections import deque
from io import BytesIO
from typing import Any, Final

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.core.handlers.base import BaseHandler

from notifications import asgi, wsgi
from tests.contracts.raw_posts import AsgiServer, RawPost, Uvicorn
from tests.support.gate_calls import Called, masked, noted


class Wsgi:
    name: Final = "wsgi"

    def application(self) -> BaseHandler:
        """A new one, with the settings of now."""
        return wsgi.Handler()

    def call(self, application: Any, environ: dict[str, Any]) -> Called:
        called = Called()

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            called.status = int(status.split()[0])
            called.headers = masked(headers)

        with noted(called):
            response = application(environ, start)
            called.body = b"".join(response)
            response.close()
        return called.finish()

    def knows_path_of(self, environ: dict[str, Any]) -> bool:
        """Whether the gate takes a post at such a place."""
        return True


class Asgi:
    name: Final = "asgi"

    def application(self) -> BaseHandler:
        return asgi.Handler()

    def call(self, application: Any, environ: dict[str, Any]) -> Called:
        called = Called()
        body = environ["wsgi.input"].getvalue()
        kind = Uvicorn if environ["SERVER_SOFTWARE"].startswith("gunicorn") else AsgiServer
        server = kind(RawPost())
        server.pieces_left = deque(body[at : at + 1000] for at in range(0, len(body), 1000))
        with noted(called):
            async_to_sync(application)(scope_of(environ), server.receive, server.send)
        start, *bodies = server.answer
        called.status, called.body = start["status"], b"".join(each.get("body", b"") for each in bodies)
        called.headers = masked([(name.decode(), value.decode("latin-1")) for name, value in start["headers"]])
        return called.finish()

    def knows_path_of(self, environ: dict[str, Any]) -> bool:
        return not environ["SCRIPT_NAME"] and settings.FORCE_SCRIPT_NAME is None


def scope_of(environ: dict[str, Any]) -> dict[str, Any]:
    """The same request as an ASGI server hands it on."""
    headers = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    headers |= {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    encoded = [(name.lower().replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    path = environ["SCRIPT_NAME"].rstrip("/") + environ["PATH_INFO"]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": path,
        "raw_path": path.encode(),
        "query_string": environ["QUERY_STRING"].encode("latin-1"),
        "root_path": environ["SCRIPT_NAME"].rstrip("/"),
        "headers": encoded,
        "client": (environ["REMOTE_ADDR"], 1234),
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
    }


Way = Wsgi | Asgi
WAYS: Final = (Wsgi(), Asgi())


async def in_tests_thread(work: Any) -> Any:
    """For the gate's `in_thread`: this thread has the test's transaction."""
    return await sync_to_async(work, thread_sensitive=True)()


def environ(path: str = "/in/open/", body: bytes = b"x", **changes: Any) -> dict[str, Any]:
    """A post; None removes a variable."""
    made = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "testserver",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "gunicorn/27.0.1",
        "REMOTE_ADDR": "203.0.113.7",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
    } | changes
    return {name: value for name, value in made.items() if value is not None}
