"""Slack: one message for each event or digest, by a bot's token or by an incoming webhook."""

from collections.abc import Iterable, Sequence
from typing import Final

from notifications.channels.base import Channel, Undeliverable
from notifications.channels.slack.answers import WHAT_TO_DO
from notifications.channels.slack.bot_or_webhook import Bot, Webhook
from notifications.channels.slack.options import check_looks, is_address, setting
from notifications.channels.slack.text import console_line, message
from notifications.events.event import Event
from notifications.utils.finding import Finding, warning

NO_WAY: Final = "Set SLACK_WEBHOOK_URL or SLACK_TOKEN (docs/slack.md)."


class Slack(Channel):
    """A Slack channel. Without a token and a webhook's address its messages are printed on the console, which says so.

    `channel`, `username` and `icon` are for a token. A webhook has its own. `icon` is an emoji's name, or the https://
    address of an image. Raises ValueError for an option that Slack would drop or refuse.
    """

    harmless = True
    digests = True
    interval = 1.0
    burst = 4

    def __init__(
        self,
        name: str,
        *,
        token: str = "",
        webhook_url: str = "",
        channel: str = "#proppy",
        username: str = "proppybot",
        icon: str = ":robot_face:",
        api_url: str = "",
    ) -> None:
        super().__init__(name)
        self._channel = channel = channel.strip()
        username, icon = username.strip(), icon.strip()
        self._way: Bot | Webhook | None = None
        token, webhook_url, api_url = token.strip(), webhook_url.strip(), api_url.strip()
        if token and webhook_url:
            raise ValueError(f"{setting(name, 'token')} and {setting(name, 'webhook_url')} are both set: empty one")
        if webhook_url:
            self._way = Webhook(name, webhook_url)
            return
        check_looks(name, channel=channel, username=username, icon=icon)
        if token:
            looks = {"username": username, "icon_url" if is_address(icon) else "icon_emoji": icon}
            self._way = Bot(name, token, channel, {key: value for key, value in looks.items() if value}, api_url)

    def deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            if self._way is None:
                line = f"{self.name} (console: no SLACK_WEBHOOK_URL) → {self._channel}: {console_line(event)}"
                print(line, flush=True)  # noqa: T201  the console is the destination
            elif (text := message(event)).strip():
                self._way.post(text)
            else:
                raise Undeliverable(f"no_text: {WHAT_TO_DO['no_text']}")

    def examine(self) -> Iterable[Finding]:
        if self._way is None:
            return [warning("messages are printed, and nobody in Slack gets them", NO_WAY)]
        return self._way.examine()
