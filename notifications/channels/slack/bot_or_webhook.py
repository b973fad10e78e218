"""The two ways into a Slack channel: a bot's token, and the address of an incoming webhook.

`post()` of both raises Unavailable or Undeliverable.
"""

import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

from slack_sdk.errors import SlackApiError, SlackClientError

from notifications.channels.base import Unavailable, Undeliverable
from notifications.channels.slack.answers import ABOUT_WEBHOOKS, WHAT_TO_DO, failure, needed_scope
from notifications.channels.slack.clients import StayingWebClient, StayingWebhookClient
from notifications.utils.clean_text import one_line
from notifications.utils.limited_sockets import limited_context

logger = logging.getLogger(__name__)

#: Seconds for one call.
TIMEOUT: Final = 10
#: What slack_sdk raises for answers that are not Slack's.
NONSENSE: Final = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)
SECRET: Final = re.compile(r"[!-~]+")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
CUSTOMIZE: Final = "chat:write.customize"
#: slack_sdk's log lines show the webhook's address. This logger is not registered, so nobody can raise its level.
silent: Final = logging.Logger("slack_sdk", logging.CRITICAL)


class Bot:
    """chat.postMessage with a bot's token. `looks` are the name and icon of its messages."""

    def __init__(self, name: str, token: str, channel: str, looks: dict[str, Any], api_url: str) -> None:
        self._name, self._token, self._channel, self._looks = name, token, channel, looks
        if api_url and not _is_address(api_url):
            raise ValueError(f"{setting(name, 'api_url')} is no https:// address")
        # slack_sdk's own retries would sleep here, and may post twice. The follower tries again.
        self._client = StayingWebClient(token, timeout=TIMEOUT, retry_handlers=[], logger=silent, ssl=limited_context())
        if api_url:
            self._client.base_url = api_url if api_url.endswith("/") else api_url + "/"

    def post(self, text: str) -> None:
        if not SECRET.fullmatch(self._token):  # http.client would show it in its error
            where = setting(self._name, "token")
            raise Undeliverable(f"the token has spaces or letters that no token has: mend {where}")
        try:
            self._post(text)
        except SlackApiError as error:
            answer = error.response.data if isinstance(error.response.data, dict) else {}
            if self._looks and answer.get("error") == "missing_scope" and needed_scope(answer) == CUSTOMIZE:
                self._forget_looks()
                return self.post(text)
            raise self._failure(error, answer) from error

    def _post(self, text: str) -> None:
        with _reached():
            self._client.chat_postMessage(
                channel=self._channel,
                text=text,
                link_names=False,
                unfurl_links=False,
                unfurl_media=False,
                **self._looks,
            )

    def _forget_looks(self) -> None:
        """Delivers without name and icon: the message is worth more."""
        self._looks = {}
        advice = f"to show them, add the scope {CUSTOMIZE}, reinstall the Slack app and restart the follower"
        logger.warning("channel %s posts without username and icon: %s", self._name, advice)

    def _failure(self, error: SlackApiError, answer: dict[str, Any]) -> Exception:
        return failure(
            error.response.status_code,
            answer.get("error"),
            error.response.headers or {},
            WHAT_TO_DO,
            channel=self._channel,
            channel_setting=setting(self._name, "channel"),
            token=setting(self._name, "token"),
            needed=needed_scope(answer),
        )


class Webhook:
    """The address of an incoming webhook, which has its own channel, name and icon."""

    def __init__(self, name: str, url: str) -> None:
        self._setting = setting(name, "webhook_url")
        if not _is_address(url):
            raise ValueError(f"{self._setting} is no https:// address: copy it from the app's page Incoming Webhooks")
        self._client = StayingWebhookClient(
            url, timeout=TIMEOUT, retry_handlers=[], logger=silent, ssl=limited_context()
        )

    def post(self, text: str) -> None:
        with _reached():
            answer = self._client.send(text=text, unfurl_links=False, unfurl_media=False)
        status, said = answer.status_code, answer.body.strip()
        if (status, said) != (200, "ok"):
            code = "" if status == 200 else said  # a page that is not Slack's
            raise failure(status, code, answer.headers, ABOUT_WEBHOOKS, webhook_url=self._setting)


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except SlackApiError:
        raise
    except (SlackClientError, HTTPException, OSError) as error:
        raise _unavailable("Slack cannot be reached", error) from error
    except NONSENSE as error:
        raise _unavailable("Slack's answer is invalid", error) from error


def _unavailable(what: str, error: Exception) -> Unavailable:
    traceback.clear_frames(error.__traceback__)  # slack_sdk leaves its connection to the garbage collector
    why = one_line(str(error))[:200]  # a server may have written a part of it
    return Unavailable(f"{what}: {why or type(error).__name__}")


def _is_address(url: str) -> bool:
    """Whether it is a valid https:// address, or an http:// one of this machine."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises where it is no number
    except ValueError:
        return False
    encrypted = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    return bool(encrypted and parts.hostname and "@" not in parts.netloc and SECRET.fullmatch(url))


def setting(name: str, option: str) -> str:
    """Names the setting of an option. Those of the channel SLACK are environment variables."""
    return f"SLACK_{option.upper()}" if name == "SLACK" else f'"{option}" of {name} in NOTIFICATIONS_CHANNELS'
