"""Third parties that fail on demand: Slack, a mail server, S3."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.ports import free_port
from tests.support.s3 import S3Server
from tests.support.slack import FakeSlack
from tests.support.slack_http import Answer, Request
from tests.support.smtp import Listener


class FaultySlack(FakeSlack):
    """While `failing`, it answers nothing else."""

    _failures: "Iterator[Answer] | None" = None

    @contextmanager
    def failing(self, answers: Sequence[Answer]) -> Iterator[None]:
        """Each request gets the next of these answers, round and round."""
        self._failures = cycle(answers)
        try:
            yield
        finally:
            self._failures = None

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """Each answer takes so long."""
        self.latency = seconds
        try:
            yield
        finally:
            self.latency = 0.0

    def _judge(self, request: Request) -> Answer:
        failures = self._failures
        return next(failures) if failures else super()._judge(request)


class Mail:
    """A real SMTP server that counts what it took, by recipient."""

    def __init__(self) -> None:
        self.port = free_port()
        self.received: Counter[str] = Counter()
        self.refuses = False
        self.latency = 0.0
        self._controller: Listener | None = None

    def __enter__(self) -> "Mail":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.latency = 0.0
        self.stop()

    def start(self) -> None:
        """Listen, at the same address as before."""
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's: it tells each command
        self._controller = Listener(self, self.port)
        self._controller.start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._controller:
            self._controller.stop()
            self._controller = None

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        """aiosmtpd's hook: the answer to one message."""
        await asyncio.sleep(self.latency)
        if self.refuses:
            return "451 refused by the soak"
        self.received.update(envelope.rcpt_tos)
        return "250 OK"


@contextmanager
def lying(s3: S3Server) -> Iterator[None]:
    """In the place of S3 something answers that is none: 500 and a page of HTML."""
    s3.stop()
    try:
        with _Proxy(("127.0.0.1", urlsplit(s3.url).port or 0), _Handler) as proxy:
            thread = Thread(target=proxy.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield
            finally:
                proxy.shutdown()
                thread.join()
    finally:
        s3.start()


class _Proxy(ThreadingHTTPServer):
    # Not daemons: no thread is left behind.
    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed hangs up: no news."""


class _Handler(BaseHTTPRequestHandler):
    timeout = 5

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        page = b"<!doctype html><title>Bad day</title>"
        self.send_response(500)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815  as http.server wants them

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""
