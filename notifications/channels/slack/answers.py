"""What Slack's answers mean: taken, try again, or what the operator has to do.

2xx is taken, unless it says otherwise: servers that speak for Slack say more than "ok", and what they took must not be
posted again. 4xx with one of Slack's words is its refusal, for good; without one it is somebody's in between.

The codes are those of docs.slack.dev/reference/methods/chat.postMessage and …/sending-messages-using-incoming-webhooks.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from notifications.channels.base import Unavailable, Undeliverable
from notifications.http.https_proxy import PROXY_IN_BETWEEN
from notifications.http.retry_after import asked

DEFAULT_RETRY_AFTER: Final = 1.0
CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
SCOPES: Final = re.compile(r"[a-z][a-z.:_,-]{0,99}")
TEMPORARY: Final = frozenset({408, 425})
LIMITED: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
#: Errors that pass by themselves. For every other one the operator has to act.
PASSING: Final = frozenset(
    {
        "external_channel_migrating",
        "fatal_error",
        "internal_error",
        "org_login_required",  # the workspace is being moved to an organisation
        "request_timeout",
        "rollup_error",
        "service_unavailable",
        "team_added_to_org",  # likewise
    }
)
INVITE: Final = "type /invite @ and the name of the Slack app in {channel}"
REINSTALL: Final = "under OAuth & Permissions reinstall the Slack app and copy its Bot User OAuth Token to {token}"
OWN_FAULT: Final = "the message is malformed: please report this as a bug"
#: For a bot's token. `channel` is its name, `token` and `channel_setting` name the settings.
WHAT_TO_DO: Final = {
    "channel_not_found": f"{{channel}} does not exist, or is private: {INVITE}, or mend {{channel_setting}}",
    "not_in_channel": f"the Slack app is not in the channel: {INVITE}",
    "no_permission": f"the Slack app may not post there: {INVITE}",
    "is_archived": "{channel} is archived: unarchive it in Slack, or name another channel in {channel_setting}",
    "channel_type_not_supported": "{channel} takes no messages: name another channel in {channel_setting}",
    "messages_tab_disabled": "{channel} is the app's own page: name a channel such as #proppy in {channel_setting}",
    "invalid_auth": "the token is wrong, or not allowed from this server's address: " + REINSTALL,
    "not_authed": "the token did not arrive: " + REINSTALL,
    "not_allowed_token_type": "this is not a bot's token: copy the Bot User OAuth Token (xoxb-…) to {token}",
    "token_revoked": "the token was revoked: " + REINSTALL,
    "token_expired": "the token has expired: switch Token Rotation off and " + REINSTALL,
    "account_inactive": "the Slack app was removed, or its workspace: " + REINSTALL,
    "missing_scope": "under OAuth & Permissions, Bot Token Scopes, add {needed}, then " + REINSTALL,
    "team_access_not_granted": "the app may not enter the workspace of {channel}: ask the organisation's admin for it",
    "access_denied": "ask the workspace's admin to let the Slack app post to {channel}",
    "accesslimited": "ask the workspace's admin to allow the address of this server",
    "ekm_access_denied": "the admins have suspended messages in {channel}: ask them, then send it again",
    "enterprise_is_restricted": "ask the organisation's admin to let the Slack app post to {channel}",
    "two_factor_setup_required": "the installer of the Slack app must set up two-factor sign-in: slack.com/account",
    "restricted_action": "a workspace setting forbids posts to {channel}: ask its admin, or mend {channel_setting}",
    "restricted_action_read_only_channel": "{channel} is read-only: ask its admin, or mend {channel_setting}",
    "restricted_action_thread_only_channel": "{channel} takes threads only: name another one in {channel_setting}",
    "no_text": "the event has no text: give emit() one",
    "msg_too_long": "the text is too long for {channel}: shorten it where it is emitted",
    "invalid_blocks": OWN_FAULT,
    "invalid_arguments": OWN_FAULT,
}
NEW_ADDRESS: Final = "on the app's page Incoming Webhooks choose Add New Webhook and copy its address to {webhook_url}"
#: For the address of an incoming webhook, which has its own channel.
ABOUT_WEBHOOKS: Final = {
    "channel_not_found": "the webhook's channel is gone, or private without the Slack app: " + NEW_ADDRESS,
    "channel_is_archived": "the webhook's channel is archived: unarchive it in Slack, or " + NEW_ADDRESS,
    "action_prohibited": "a workspace setting forbids the webhook to post: ask its admin, or " + NEW_ADDRESS,
    "posting_to_general_channel_denied": "the webhook may not post to #general: choose another channel, " + NEW_ADDRESS,
    "user_not_found": "the person whom the webhook writes to is gone: " + NEW_ADDRESS,
    "no_service": "the webhook was removed, or its address is cut: " + NEW_ADDRESS,
    "no_service_id": "the address is incomplete: " + NEW_ADDRESS,
    "no_active_hooks": "the webhook was switched off: switch it on again, or " + NEW_ADDRESS,
    "no_team": "the address names no workspace: " + NEW_ADDRESS,
    "team_disabled": "the workspace was closed: in another one, " + NEW_ADDRESS,
    "invalid_token": "the address is wrong or has expired: " + NEW_ADDRESS,
    "no_text": WHAT_TO_DO["no_text"],
    "invalid_payload": OWN_FAULT,
    "invalid_blocks": OWN_FAULT,
}
NOT_SLACK: Final = "without a word of Slack's: is its address right, and what is in between?"
UNKNOWN: Final = "Slack's documentation of chat.postMessage and incoming webhooks says what it means"


def failure(
    status: int, code: object, headers: Mapping[str, Any], advice: Mapping[str, str], **names: str
) -> Unavailable | Undeliverable:
    """Returns what to raise for an answer that is not a success. `names` are inserted into the advice."""
    if not isinstance(code, str) or not CODE.fullmatch(code):  # the page of some proxy
        code = ""
    seconds = asked(headers)
    if status == 429 or code in LIMITED:
        return Unavailable("Slack limits the rate", retry_after=DEFAULT_RETRY_AFTER if seconds is None else seconds)
    if status == 407:
        return Unavailable(f"Slack was not reached: 407, {PROXY_IN_BETWEEN}")
    if status >= 500 or status in TEMPORARY or code in PASSING:
        return Unavailable(f"Slack answered {status} {code}".rstrip(), retry_after=seconds)
    if not code:
        return Unavailable(f"Slack answered {status} {NOT_SLACK}", retry_after=seconds)
    return Undeliverable(f"{code}: {advice.get(code, UNKNOWN).format(**names)}")


def needed_scope(answer: Mapping[str, Any]) -> str:
    """The missing scope that Slack names. If it names none: the scope that every message needs."""
    needed = answer.get("needed")
    return needed if isinstance(needed, str) and SCOPES.fullmatch(needed) else "chat:write"


def webhook_refusal(status: int, body: str) -> str | None:
    """Why a webhook did not take a message: Slack's word or another text. None if it did, whatever it says of that."""
    said = body.strip()
    error = _error_of(said) if said.startswith("{") else None
    if not 200 <= status < 300:
        return said if error is None else error
    # A page is a proxy's, or the address is no webhook's.
    return said if said.startswith("<") or said in ABOUT_WEBHOOKS or said in PASSING | LIMITED else error


def _error_of(text: str) -> str | None:
    """The error in {"ok": false, "error": "…"}."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return str(answer.get("error", "")) if isinstance(answer, dict) and answer.get("ok") is False else None
