"""A server that speaks Slack's chat.postMessage over HTTP, and misbehaves on demand."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.slack_http import Answer, RateLimited, Reply, Request, Server

__all__ = ["Answer", "FakeSlack", "RateLimited", "Request", "slack"]


class FakeSlack:
    """Slack's Web API on 127.0.0.1, as slack_sdk calls it; `with FakeSlack() as slack:`.

    `requests` has every request, `messages` the accepted ones: `text`, `channel`, `username`, `icon_emoji`,
    `ts`, and `received` (time.monotonic()). `latency` delays each answer, in seconds.
    """

    token = "xoxb-for-tests"

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.messages: list[dict[str, Any]] = []
        self.latency = 0.0
        self._answers: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = Server(self._decide)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="fake-slack")

    def __enter__(self) -> "FakeSlack":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._answers.clear()
        self.latency = 0
        self.release()
        self._server.server_close()

    @property
    def url(self) -> str:
        """For slack_sdk's WebClient(base_url=...)."""
        return f"http://127.0.0.1:{self._server.server_port}/api/"

    @property
    def env(self) -> dict[str, str]:
        """The site's environment variables."""
        return {"SLACK_API_URL": self.url, "SLACK_TOKEN": self.token}

    def answers(self, *answers: Answer) -> None:
        """Answer the next requests so, one each; after them, take every message."""
        self._answers.extend(answers)

    def release(self) -> None:
        """Hang up on the requests that "timeout" holds."""
        with self._lock:
            released, self._released = self._released, threading.Event()
        released.set()

    def _decide(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            answer = self._answers.popleft() if self._answers else self._judge(request)
            if answer == "lost" or (isinstance(answer, dict) and answer.get("ok")):
                self._accept(request)
            return Reply(answer, self.latency, self._released)

    def _judge(self, request: Request) -> dict[str, Any]:
        """What Slack itself would say."""
        if not request.path.endswith("/chat.postMessage"):
            return {"ok": False, "error": "unknown_method"}
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return {"ok": False, "error": "invalid_auth"}
        if not request.fields.get("channel"):
            return {"ok": False, "error": "channel_not_found"}
        if not request.fields.get("text"):
            return {"ok": False, "error": "no_text"}
        return {"ok": True, "channel": "C0123456789", "ts": self._next_ts()}

    def _accept(self, request: Request) -> None:
        message = {name: request.fields.get(name) for name in ("text", "channel", "username", "icon_emoji")}
        self.messages.append(message | {"ts": self._next_ts(), "received": request.at})

    def _next_ts(self) -> str:
        """Slack's name of a message: the time and a number that makes it unique."""
        return f"{time.time():.0f}.{len(self.messages):06}"


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with FakeSlack() as server:
        yield server
