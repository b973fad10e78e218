"""Django's ASGI application with four changes, which must take effect before the first middleware.

Posts to /in/<source>/ are answered at the gate (intake/gate/), which leaves to Django what it cannot answer as Django.
The body of a post for a `@raw_body` view is received here, with the limit of its source and a deadline: Django would
write any body to a file before it looks at the address. An invalid Content-Type header is no error. When the server
ends, events that wait are written (uvicorn ends its process by a signal, which leaves Python no other moment).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from io import BytesIO
from typing import Any, Final

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.db import connections
from django.urls import ResolverMatch, resolve

from notifications.errors import UnknownSource
from notifications.events.emit import process_outbox
from notifications.http.asgi_servers import module_of_server, modules_that_tell
from notifications.http.django_entry import AnyContentType, set_up
from notifications.intake.answer import DECIDED, Answer, refusal, response_of
from notifications.intake.gate.gate import Admitted, Gate, Meta, open_gate
from notifications.intake.gate.on_event_loop import answer_in_thread
from notifications.intake.received_body import Receive, ReceivedBody, receive_body
from notifications.middleware import BEGAN
from notifications.utils.process_exit import hand_over

logger = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

#: The headers that a body's length is judged by, as META calls them.
LENGTHS: Final = {b"content-length": "CONTENT_LENGTH", b"transfer-encoding": "HTTP_TRANSFER_ENCODING"}
#: What the gate says of a request that it leaves to Django.
OF_GATE: Final = (DECIDED, BEGAN)
NOT_ADMITTED: Final[tuple[Meta, Gate | None, Admitted | None]] = ({}, None, None)
PERSISTENT: Final = (
    "DATABASES[%r] has CONN_MAX_AGE = %s. Under ASGI each request has a thread of its own, and leaves its connection"
    " behind, until PostgreSQL takes no more. Set it to 0, and 'pool': {'timeout': 2} in OPTIONS, which needs"
    " psycopg[pool]"
)


class Request(AnyContentType, ASGIRequest):
    """A request with any Content-Type. `received_body`: the body, if it was received for a `@raw_body` view."""

    def __init__(self, scope: Any, body_file: Any) -> None:
        super().__init__(scope, body_file)
        self.received_body = body_file if isinstance(body_file, ReceivedBody) else None
        self.META |= {name: scope[name] for name in OF_GATE if name in scope}


class RawReceive:
    """Replaces the `receive` of a request for a `@raw_body` view."""

    def __init__(self, receive: Receive, scope: Scope, limit: int | None, *, tells_cut_chunks: bool) -> None:
        self._receive, self._scope, self._limit = receive, scope, limit
        self._tells_cut_chunks = tells_cut_chunks

    async def body(self) -> ReceivedBody:
        if self._limit is None:  # as the view answers; another reader must not take it for an empty one
            return ReceivedBody(refusal=UnknownSource("no such source"))
        meta = length_meta(self._scope)
        return await receive_body(self._receive, meta, self._limit, tells_cut_chunks=self._tells_cut_chunks)

    async def __call__(self) -> Mapping[str, Any]:
        """Never returns: Django asks it whether the client has gone, and would cancel the view."""
        return await asyncio.Future()


class Received(RawReceive):
    """The same with a body that was received."""

    def __init__(self, body: ReceivedBody) -> None:
        self._body = body

    async def body(self) -> ReceivedBody:
        return self._body


class Handler(ASGIHandler):
    request_class = Request

    def __init__(self) -> None:
        super().__init__()
        self._tell = modules_that_tell()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await live(receive, send)
        if scope["type"] == "http" and scope["method"].upper() == "POST":
            tells = scope["http_version"].startswith("1.") and module_of_server(receive, send) in self._tell
            meta, gate, admitted = admitted_of(scope) if type(self) is Handler else NOT_ADMITTED
            if gate and admitted:
                body = await receive_body(
                    receive, length_meta(scope), admitted.rules.body_limit, tells_cut_chunks=tells
                )
                if answer := await answer_in_thread(gate, admitted, meta, body):
                    return await send_answer(send, admitted, answer)
                receive = Received(body)
            scope = {**scope, **{name: meta[name] for name in OF_GATE if name in meta}}
            if not admitted and (match := raw_view_of(scope)):
                limit = match.func.body_limit(*match.args, **match.kwargs)  # type: ignore[attr-defined]  # see raw_view.py
                receive = RawReceive(receive, scope, limit, tells_cut_chunks=tells)
        return await super().__call__(scope, receive, send)

    async def get_response_async(self, request: Any) -> Any:
        """Django's answer; of a refused body that a middleware wanted to read it is a 400 for any reason."""
        response: Any = await super().get_response_async(request)
        body = getattr(request, "received_body", None)
        if body is not None and body.was_refused and response.status_code == 400:
            answered = response_of(refusal(body.refusal))
            response.status_code, response.content = answered.status_code, answered.content
            for name, value in answered.items():
                response[name] = value
        return response

    async def read_body(self, receive: Any) -> Any:
        """What Django takes for the body: a whole one, or one that says why it is refused."""
        return await (receive.body() if isinstance(receive, RawReceive) else super().read_body(receive))


def admitted_of(scope: Scope) -> tuple[Meta, Gate | None, Admitted | None]:
    """The post as the gate sees it, and whether the gate answers it."""
    gate = open_gate()
    if gate is None or not scope["path"].startswith(gate.prefix) or get_script_prefix(scope):
        return NOT_ADMITTED
    try:
        meta = Request(scope, BytesIO()).META | {"wsgi.url_scheme": scope.get("scheme") or "http"}
    except UnicodeDecodeError:  # of the query: Django answers
        return NOT_ADMITTED
    return meta, gate, gate.admit(meta)


async def send_answer(send: Send, admitted: Admitted, answer: Answer) -> None:
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in admitted.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def raw_view_of(scope: Scope) -> ResolverMatch | None:
    """The `@raw_body` view that this request is for, and the arguments of its URL."""
    path = scope["path"].removeprefix(get_script_prefix(scope))
    with suppress(Exception):  # Django resolves it again, and answers and reports what is wrong
        match = resolve(path if path.startswith("/") else f"/{path}", settings.ROOT_URLCONF)
        return match if hasattr(match.func, "body_limit") else None
    return None


def length_meta(scope: Scope) -> dict[str, str]:
    """The headers that a body's length is judged by, as they are in META."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if key := LENGTHS.get(name.lower()):
            text = value.decode("latin-1")
            found[key] = f"{found[key]},{text}" if key in found else text
    return found


async def live(receive: Receive, send: Send) -> None:
    """Answer the server's start and end; at the end write what waits."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await asyncio.to_thread(hand_over)
            return await send({"type": "lifespan.shutdown.complete"})


def get_asgi_application() -> Handler:
    """Replaces the function of this name in django.core.asgi.

    Logs what this user may not use of the state folder, and databases whose connections would not be closed.
    """
    set_up()
    with suppress(ValueError):  # of a wrong URL, which emit() logs
        process_outbox()  # JOURNAL_URL=auto looks for journald: not on the event loop
    for db in connections.all():
        if db.vendor == "postgresql" and db.settings_dict["CONN_MAX_AGE"] != 0:
            logger.warning(PERSISTENT, db.alias, db.settings_dict["CONN_MAX_AGE"])
    return Handler()
