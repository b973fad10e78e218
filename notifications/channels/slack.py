"""Slack: one message for each event, by chat.postMessage."""

import logging
import math
import re
from collections.abc import Sequence
from http.client import HTTPException
from typing import Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from notifications.channels.base import Channel, Unavailable, Undeliverable
from notifications.events import Event

logger = logging.getLogger(__name__)

#: Seconds for one call.
TIMEOUT: Final = 10
#: Characters, after escaping. Slack cuts longer texts (api.slack.com/methods/chat.postMessage).
LONGEST: Final = 39_000
DEFAULT_RETRY_AFTER: Final = 1.0
#: Errors that pass by themselves; every other `ok: false` wants somebody to do something.
PASSING: Final = frozenset(
    {"ratelimited", "rate_limited", "fatal_error", "internal_error", "service_unavailable", "request_timeout"}
)
WHAT_TO_DO: Final = {
    "channel_not_found": "there is no channel {channel}, or it is private: invite the bot, or mend SLACK_CHANNEL",
    "not_in_channel": "invite the bot: type /invite @{username} in {channel}",
    "is_archived": "{channel} is archived: unarchive it, or name another SLACK_CHANNEL",
    "invalid_auth": "the token is wrong: copy the Bot User OAuth Token (xoxb-…) to SLACK_TOKEN",
    "not_authed": "the token is empty: copy the Bot User OAuth Token (xoxb-…) to SLACK_TOKEN",
    "token_revoked": "the token was revoked: reinstall the Slack app and copy its new token to SLACK_TOKEN",
    "account_inactive": "the token's app was removed: reinstall it and copy its new token to SLACK_TOKEN",
    "missing_scope": "give the Slack app the scopes chat:write and chat:write.customize, then reinstall it",
    "restricted_action": "a workspace setting forbids posting to {channel}: ask its admin",
    "no_text": "the text is empty",
    "msg_too_long": "the text is too long",
}


CODE: Final = re.compile(r"\w{1,80}", re.ASCII)
PART_OF_ESCAPE: Final = re.compile(r"&\w*\Z")
TOKEN: Final = re.compile(r"[!-~]+")


class Slack(Channel):
    """A Slack channel. Without a token its messages go to the console, which says so."""

    harmless = True

    def __init__(
        self,
        name: str,
        *,
        token: str = "",
        channel: str = "#proppy",
        username: str = "proppybot",
        icon: str = ":robot_face:",
        api_url: str = "",
    ) -> None:
        super().__init__(name)
        self._channel, self._username, self._icon = channel, username, icon
        self._token = token.strip()
        self._client = _client(self._token, api_url) if self._token else None

    def deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            if self._client is None:
                line = f"{self.name} (console: no SLACK_TOKEN) → {self._channel}: {_line(event)}"
                print(line, flush=True)  # noqa: T201  the console is the destination
            else:
                self._post(self._client, message(event))

    def _post(self, client: WebClient, text: str) -> None:
        if not TOKEN.fullmatch(self._token):  # http.client would show it in its error
            raise Undeliverable("the token has spaces or letters that no token has: mend SLACK_TOKEN")
        if not text.strip():
            raise Undeliverable(f"no_text: {WHAT_TO_DO['no_text']}")
        try:
            client.chat_postMessage(
                channel=self._channel,
                text=text,
                username=self._username,
                icon_emoji=self._icon,
                unfurl_links=False,
                unfurl_media=False,
            )
        except SlackApiError as error:
            raise self._failure(error) from error
        except (SlackClientError, HTTPException, OSError) as error:
            raise Unavailable(f"Slack cannot be reached: {error}") from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:  # as slack_sdk fails on other JSON
            raise Unavailable(f"Slack's answer makes no sense: {error}") from error

    def _failure(self, error: SlackApiError) -> Exception:
        status, data = error.response.status_code, error.response.data
        code = data.get("error") if isinstance(data, dict) else None
        if not isinstance(code, str) or not CODE.fullmatch(code):  # slack_sdk's own words on a page of some proxy
            code = ""
        if status == 429 or code in {"ratelimited", "rate_limited"}:
            return Unavailable("Slack limits the rate", retry_after=_retry_after(error))
        if status >= 500 or code in PASSING or not code:
            return Unavailable(f"Slack answered {status} {code}".rstrip())
        advice = WHAT_TO_DO.get(code, "see api.slack.com/methods/chat.postMessage#errors")
        return Undeliverable(f"{code}: {advice.format(channel=self._channel, username=self._username)}")


def message(event: Event) -> str:
    """The text of an event as Slack takes it: nothing in it can ping, link or pass for ours."""
    text = event.text if event.author_known else f"(unknown author) {event.text}"
    text = text.encode("utf-8", "replace").decode()  # lone surrogates
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text if len(text) <= LONGEST else PART_OF_ESCAPE.sub("", text[:LONGEST]) + " […]"


def _client(token: str, api_url: str) -> WebClient:
    # Its own retries would sleep in here and post twice; the follower tries again.
    client = WebClient(token=token, timeout=TIMEOUT, retry_handlers=[])
    if api_url:
        client.base_url = api_url if api_url.endswith("/") else api_url + "/"
    return client


def _retry_after(error: SlackApiError) -> float:
    """Seconds that Slack asks to wait."""
    headers = {name.lower(): value for name, value in (error.response.headers or {}).items()}
    value = headers.get("retry-after", "")
    value = value[0] if isinstance(value, list) and value else value
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return DEFAULT_RETRY_AFTER
    return max(seconds, 0.0) if math.isfinite(seconds) else DEFAULT_RETRY_AFTER


def _line(event: Event) -> str:
    """For a terminal: one line, no control characters."""
    text = event.text if event.author_known else f"(unknown author) {event.text}"
    text = " ".join(text.splitlines())
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
