"""A server that speaks Slack's chat.postMessage and incoming webhooks over HTTP, and misbehaves on demand."""

import math
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.slack_http import Answer, Plain, RateLimited, Reply, Request, Server

__all__ = ["Answer", "FakeSlack", "Plain", "RateLimited", "Request", "slack"]

#: Clocks differ, and Slack lets a little pass too.
TOLERANCE: Final = 0.05
METHODS: Final = frozenset({"auth.test", "chat.postMessage", "chat.scheduleMessage", "chat.deleteScheduledMessage"})
#: The ends of paths that post: a method's, and a webhook's.
POSTS: Final = ("/chat.postMessage", "/XXXX")


class FakeSlack:
    """Slack's Web API and one incoming webhook on 127.0.0.1, as slack_sdk calls them; `with FakeSlack() as slack:`.

    `requests` has every request, `messages` the accepted ones: `text`, `channel`, `username`, `icon_emoji`,
    `ts`, and `received` (time.monotonic()). `latency` delays each answer, in seconds. With `limit_per_second` a channel
    takes so many messages a second, evenly spaced; the others are answered with 429 and "Retry-After: 1". `scopes` are
    those of the token, in the header of auth.test, or None for a server without it; `channels` are those that the app
    is in, or None for any. `scheduled` has what was scheduled, and not deleted.
    """

    token = "xoxb-for-tests"
    webhook_path = "/services/T000/B000/XXXX"

    def __init__(self, tls: ssl.SSLContext | None = None, *, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.messages: list[dict[str, Any]] = []
        self.latency = 0.0
        self.limit_per_second = 0.0
        self.scopes: str | None = "chat:write,chat:write.customize"
        self.channels: set[str] | None = None
        self.scheduled: set[str] = set()
        self._taken: dict[str, float] = {}
        self._scheme = "https" if tls else "http"
        self._answers: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = Server(self._decide, tls, port=port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="fake-slack")

    def __enter__(self) -> "FakeSlack":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self.recover()
        self.latency = 0
        self.release()
        self._server.server_close()

    @property
    def url(self) -> str:
        """For slack_sdk's WebClient(base_url=...)."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}/api/"

    @property
    def webhook_url(self) -> str:
        """For slack_sdk's WebhookClient(...)."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}{self.webhook_path}"

    @property
    def env(self) -> dict[str, str]:
        """The site's environment variables, for a bot's token."""
        return {"SLACK_API_URL": self.url, "SLACK_TOKEN": self.token}

    @property
    def webhook_env(self) -> dict[str, str]:
        """The site's environment variables, for the incoming webhook."""
        return {"SLACK_WEBHOOK_URL": self.webhook_url}

    def answers(self, *answers: Answer) -> None:
        """Answer the next requests so, one each; after them, take every message."""
        self._answers.extend(answers)

    def recover(self) -> None:
        """Forget the answers that are left: take every message from now on."""
        self._answers.clear()

    def release(self) -> None:
        """Hang up on the requests that "timeout" holds."""
        with self._lock:
            released, self._released = self._released, threading.Event()
        released.set()

    def _decide(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            answer = self._answers.popleft() if self._answers else self._judge(request)
            if answer == "lost" or (_is_yes(answer) and request.path.endswith(POSTS)):
                self._accept(request)
            headers = {} if self.scopes is None else {"X-OAuth-Scopes": self.scopes}
            return Reply(answer, self.latency, self._released, headers)

    def _judge(self, request: Request) -> Answer:
        """What Slack itself would say."""
        is_webhook = request.path.startswith("/services/")
        answer = self._judge_webhook(request) if is_webhook else self._judge_api(request)
        return RateLimited(1) if _is_yes(answer) and self._too_soon(request) else answer

    def _judge_webhook(self, request: Request) -> Plain:
        if request.path != self.webhook_path:
            return Plain(403, "invalid_token")
        return Plain(200, "ok") if request.fields.get("text") else Plain(400, "no_text")

    def _judge_api(self, request: Request) -> dict[str, Any]:
        method = request.path.rpartition("/")[2]
        if method not in METHODS:
            return {"ok": False, "error": "unknown_method"}
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return {"ok": False, "error": "invalid_auth"}
        if method == "auth.test":
            return {"ok": True, "team": "Shop", "user": "proppybot"}
        if method == "chat.deleteScheduledMessage":
            return self._deleted(str(request.fields.get("scheduled_message_id")))
        channel = request.fields.get("channel")
        if not channel or (self.channels is not None and channel not in self.channels):
            return {"ok": False, "error": "channel_not_found"}
        if not request.fields.get("text"):
            return {"ok": False, "error": "no_text"}
        answer = {"ok": True, "channel": "C0123456789"}
        if method == "chat.scheduleMessage":
            self.scheduled.add(name := f"Q{len(self.requests)}")
            return answer | {"scheduled_message_id": name, "post_at": request.fields["post_at"]}
        return answer | {"ts": self._next_ts()}

    def _deleted(self, name: str) -> dict[str, Any]:
        if name not in self.scheduled:
            return {"ok": False, "error": "invalid_scheduled_message_id"}
        self.scheduled.remove(name)
        return {"ok": True}

    def _too_soon(self, request: Request) -> bool:
        if not self.limit_per_second:
            return False
        since = request.at - self._taken.get(_channel(request), -math.inf)
        return since < (1 - TOLERANCE) / self.limit_per_second

    def _accept(self, request: Request) -> None:
        self._taken[_channel(request)] = request.at
        message = {name: request.fields.get(name) for name in ("text", "channel", "username", "icon_emoji")}
        self.messages.append(message | {"ts": self._next_ts(), "received": request.at})

    def _next_ts(self) -> str:
        """Slack's name of a message: the time and a number that makes it unique."""
        return f"{time.time():.0f}.{len(self.messages):06}"


def _is_yes(answer: Answer) -> bool:
    return answer == Plain(200, "ok") or (isinstance(answer, dict) and bool(answer.get("ok")))


def _channel(request: Request) -> str:
    """What is limited: a channel, or the webhook that posts to it."""
    return str(request.fields.get("channel", request.path))


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with FakeSlack() as server:
        yield server
