"""Asks Slack whether a bot's token would deliver, without a message that anybody sees."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from notifications.channels.slack.reached import reached
from notifications.utils.clean_text import one_line
from notifications.utils.finding import Finding, failed, ok, unknown, warning

WRITE: Final = "chat:write"
CUSTOMIZE: Final = "chat:write.customize"
SCOPES: Final = "x-oauth-scopes"
#: Seconds until the scheduled message would be posted. Slack deletes none that is due within a minute.
AHEAD: Final = 1800
TEXT: Final = "proppy_doctor has checked that it may post here, and could not take this back. Nothing is wrong."
ADD_SCOPE: Final = (
    "Under OAuth & Permissions, Bot Token Scopes, add {scope}, reinstall the Slack app and copy its new token."
)


def examine_bot(client: WebClient, channel: str, *, wants_looks: bool) -> Iterator[Finding]:
    """Who it is, its scopes, and its channel. Raises SlackApiError for a refusal, and Unavailable."""
    with reached():
        who = client.auth_test()
    yield ok(f"the token is that of {_said(who, 'user')} in {_said(who, 'team')}")
    scopes = _scopes(who)
    if scopes is None:
        yield unknown("Slack does not say which scopes it has", "The next line says whether they suffice.")
    elif WRITE not in scopes:
        yield failed(f"it lacks the scope {WRITE}: it may not post", ADD_SCOPE.format(scope=WRITE))
        return
    elif wants_looks and CUSTOMIZE not in scopes:
        yield warning(f"it lacks the scope {CUSTOMIZE}: name and icon are not shown", ADD_SCOPE.format(scope=CUSTOMIZE))
    yield from _scheduled(client, channel)


def _scheduled(client: WebClient, channel: str) -> Iterator[Finding]:
    due = int(time.time()) + AHEAD
    with reached():
        made = client.chat_scheduleMessage(channel=channel, post_at=due, text=TEXT)
    try:
        with reached():
            client.chat_deleteScheduledMessage(
                channel=str(made.get("channel") or channel), scheduled_message_id=str(made.get("scheduled_message_id"))
            )
    except SlackApiError as error:
        advice = f"At {datetime.fromtimestamp(due):%H:%M} it is posted, and says so: delete it in Slack then."
        yield failed(f"a scheduled message for {channel} cannot be deleted: {_said(error.response, 'error')}", advice)
        return
    yield ok(f"it may post to {channel}: a message was scheduled, and deleted again")


def _scopes(answer: Any) -> frozenset[str] | None:
    """None if the header is missing, as of other servers that speak Slack's API."""
    headers = {str(name).lower(): value for name, value in (answer.headers or {}).items()}
    value = headers.get(SCOPES)
    return None if value is None else frozenset(each.strip() for each in str(value).split(","))


def _said(answer: Any, name: str) -> str:
    value = answer.get(name)
    return one_line(value)[:80] if isinstance(value, str) and value else "somebody without a name"
