"""Asks a host project's application as a web server would. A copy of this file runs in the project.

python client.py ask wsgi|asgi ASKED.json        a list of requests; prints their answers
python client.py crawl wsgi|asgi ASKED.json      below what, how many pages, SCRIPT_NAME; prints pages by address
"""

import asyncio
import io
import json
import re
import sys
from collections import deque
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

#: Status, headers, text. The status is 0 if there is no answer.
Answer = tuple[int, dict[str, str], str]
Asked = dict[str, Any]
PIECE = 64 * 1024


def ask_wsgi(application: Any, asked: Asked) -> Answer:
    """What the WSGI application answers."""
    body = asked["body"].encode("latin-1")
    headers = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in _headers(asked)}
    environ = {
        "REQUEST_METHOD": asked["method"],
        "SCRIPT_NAME": asked["script_name"],
        "PATH_INFO": asked["path"],
        "QUERY_STRING": asked["query"],
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": headers.pop("HTTP_CONTENT_LENGTH", ""),
        "CONTENT_TYPE": headers.pop("HTTP_CONTENT_TYPE", ""),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        **headers,
    }
    started: list[Any] = []
    response = application(environ, lambda *arguments: started.append(arguments))
    content = b"".join(response)
    getattr(response, "close", lambda: None)()
    status, headers = started[-1][0], dict(started[-1][1])
    return int(status.split()[0]), headers, content.decode("utf-8", "replace")


def ask_asgi(application: Any, asked: Asked) -> Answer:
    """What the ASGI application answers."""
    return asyncio.run(_ask_asgi(application, asked))


async def _ask_asgi(application: Any, asked: Asked) -> Answer:
    body, path = asked["body"].encode("latin-1"), asked["script_name"] + asked["path"]
    pieces = deque([body[at : at + PIECE] for at in range(0, len(body), PIECE)] or [b""])
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": asked["method"],
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": asked["script_name"],
        "query_string": asked["query"].encode("latin-1"),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in _headers(asked)],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.Future()  # the client stays until it is answered
        return {"type": "http.request", "body": pieces.popleft(), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    headers = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    headers = {name.title(): value for name, value in headers.items()}
    return sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent[1:]).decode("utf-8", "replace")


def _headers(asked: Asked) -> list[tuple[str, str]]:
    headers = {"host": "testserver", "content-length": str(len(asked["body"]))} | asked["headers"]
    return [(name, value) for name, value in headers.items() if value is not None]


def crawl(ask: Callable[[Asked], Answer], below: str, most: int, script_name: str) -> dict[str, str]:
    """The texts of up to so many pages of the admin, as its superuser sees them. AssertionError at one that fails."""
    cookie = f"sessionid={_log_in()}"
    seen: dict[str, str] = {}
    left = deque([below])
    while left and len(seen) < most:
        page = left.popleft()
        path, _, query = page.partition("?")
        asked = {"method": "GET", "path": path, "query": query, "script_name": script_name, "body": "", "headers": {}}
        status, _, seen[page] = ask(asked | {"headers": {"cookie": cookie, "content-length": None}})
        assert status == 200, (page, status, seen[page][:2000])
        for link in re.findall('href="([^"]*)"', seen[page]):
            link = (path + link if link.startswith("?") else link).replace("&amp;", "&")
            link = link[link.find(below) :] if below in link else ""  # a site below a path has that in front
            if link and link not in seen and link not in left:
                left.append(link)
    return seen


def _log_in() -> str:
    """The key of a superuser's session."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    model: Any = get_user_model()
    client = Client()
    client.force_login(model.objects.create_superuser(**{model.USERNAME_FIELD: "ada", "password": "x"}))
    return client.cookies["sessionid"].value


def main(command: str, interface: str, name: str) -> None:
    """Print "ANSWERS" and JSON."""
    application = import_module(f"config.{interface}").application
    asked = json.loads(Path(name).read_text())

    def ask(each: Asked) -> Answer:
        return ask_wsgi(application, each) if interface == "wsgi" else ask_asgi(application, each)

    print("ANSWERS" + json.dumps(crawl(ask, *asked) if command == "crawl" else [ask(each) for each in asked]))


if __name__ == "__main__":
    main(*sys.argv[1:])
