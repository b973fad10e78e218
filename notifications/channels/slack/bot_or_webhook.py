"""The two ways into a Slack channel: a bot's token, and the address of an incoming webhook.

`post()` and `examine()` of both raise Unavailable or Undeliverable.
"""

import logging
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from notifications.channels.base import Undeliverable
from notifications.channels.slack.answers import ABOUT_WEBHOOKS, WHAT_TO_DO, failure, needed_scope, webhook_refusal
from notifications.channels.slack.clients import OurWebClient, OurWebhookClient
from notifications.channels.slack.examine_bot import CUSTOMIZE, examine_bot
from notifications.channels.slack.options import setting
from notifications.channels.slack.reached import reached
from notifications.http.https_proxy import proxy_for
from notifications.utils.finding import Finding, ok

logger = logging.getLogger(__name__)

#: Seconds for one call.
TIMEOUT: Final = 10
SECRET: Final = re.compile(r"[!-~]+")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
#: Slack's word for a message without text.
NO_TEXT: Final = "no_text"
#: slack_sdk's log lines show the webhook's address. This logger is not registered, so nobody can raise its level.
silent: Final = logging.Logger("slack_sdk", logging.CRITICAL)


class Bot:
    """chat.postMessage with a bot's token. `looks` are the name and icon of its messages."""

    def __init__(self, name: str, token: str, channel: str, looks: dict[str, Any], api_url: str) -> None:
        self._name, self._token, self._channel, self._looks = name, token, channel, looks
        if api_url and not _is_address(api_url):
            raise ValueError(f"{setting(name, 'api_url')} is no https:// address")
        _check_proxy(api_url or WebClient.BASE_URL)
        # slack_sdk's own retries would sleep here, and may post twice. The follower tries again.
        self._client = OurWebClient(token, timeout=TIMEOUT, retry_handlers=[], logger=silent)
        if api_url:
            self._client.base_url = api_url if api_url.endswith("/") else api_url + "/"

    def post(self, text: str) -> None:
        self._check_token()
        try:
            self._post(text)
        except SlackApiError as error:
            answer = error.response.data if isinstance(error.response.data, dict) else {}
            if 200 < error.response.status_code < 300 and answer.get("ok") is True:
                return None  # slack_sdk knows 200 alone
            if self._looks and answer.get("error") == "missing_scope" and needed_scope(answer) == CUSTOMIZE:
                self._forget_looks()
                return self.post(text)
            raise self._failure(error, answer) from error

    def examine(self) -> Iterator[Finding]:
        """Asks who the token is and what it may, then schedules a message, which Slack checks as a real one, and
        deletes it again.
        """
        self._check_token()
        try:
            yield from examine_bot(self._client, self._channel, wants_looks=bool(self._looks))
        except SlackApiError as error:
            answer = error.response.data if isinstance(error.response.data, dict) else {}
            raise self._failure(error, answer) from error

    def _check_token(self) -> None:
        """Raises Undeliverable: http.client would show it in its error."""
        if not SECRET.fullmatch(self._token):
            where = setting(self._name, "token")
            raise Undeliverable(f"the token has spaces or letters that no token has: mend {where}")

    def _post(self, text: str) -> None:
        with reached():
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
        _check_proxy(url)
        self._client = OurWebhookClient(url, timeout=TIMEOUT, retry_handlers=[], logger=silent)

    def post(self, text: str) -> None:
        with reached():
            answer = self._client.send(text=text, unfurl_links=False, unfurl_media=False)
        status, refusal = answer.status_code, webhook_refusal(answer.status_code, answer.body)
        if refusal is not None:
            raise failure(status, refusal, answer.headers, ABOUT_WEBHOOKS, webhook_url=self._setting)

    def examine(self) -> Iterator[Finding]:
        """Posts a message without text, which Slack refuses: only for that if the address is right."""
        try:
            self.post("")
        except Undeliverable as error:
            if not str(error).startswith(f"{NO_TEXT}:"):
                raise
        yield ok("Slack knows the webhook: it refused a message without text, and only for that")


def _is_address(url: str) -> bool:
    """Whether it is a valid https:// address, or an http:// one of this machine."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises where it is no number
    except ValueError:
        return False
    encrypted = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    return bool(encrypted and parts.hostname and "@" not in parts.netloc and SECRET.fullmatch(url))


def _check_proxy(url: str) -> None:
    """Raises ValueError for a proxy that is none."""
    parts = urlsplit(url)
    proxy_for(parts.hostname or "", parts.port or 443)
