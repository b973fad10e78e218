"""Checks the options of a Slack channel, before Slack drops or refuses its messages for them.

The rules are those of docs.slack.dev/reference/methods/conversations.create and …/chat.postMessage. No error shows a
value: it may be a token in the wrong place.
"""

import re
from typing import Final
from urllib.parse import urlsplit

#: Lower case is checked apart: names may be in any alphabet.
NAME: Final = re.compile(r"#?[\w-]{1,80}")
#: A channel's, or a person's for direct messages.
ID: Final = re.compile(r"[CDGUW][A-Z0-9]{7,20}")
EMOJI: Final = re.compile(r":[\w+'-]{1,100}:(:skin-tone-[2-6]:)?")
ADDRESS: Final = re.compile(r"[!-~]{1,2000}")
LONGEST_USERNAME: Final = 80


def setting(name: str, option: str) -> str:
    """Names the setting of an option. Those of the channels SLACK and ALERTS are environment variables."""
    if name == "ALERTS" and option in {"channel", "webhook_url"}:
        return f"SLACK_ALERT_{option.upper()}"
    named = name in {"SLACK", "ALERTS"}
    return f"SLACK_{option.upper()}" if named else f'"{option}" of {name} in NOTIFICATIONS_CHANNELS'


def check_looks(name: str, *, channel: str, username: str, icon: str) -> None:
    """Raises ValueError, with what to write."""
    if not _is_channel(channel):
        problem = "is no channel of Slack" if channel else "is empty"
        raise ValueError(
            f'{setting(name, "channel")} {problem}: write its name, in quotes, such as "#ops" (at most 80 letters in '
            "lower case, digits, - and _), or its ID, such as C0123456789"
        )
    if len(username) > LONGEST_USERNAME or not username.isprintable():
        where = setting(name, "username")
        raise ValueError(f"{where} is no name: write one line of at most {LONGEST_USERNAME} characters")
    if icon and not (_is_emoji(icon) or is_address(icon)):
        where = setting(name, "icon")
        raise ValueError(
            f"{where} is no icon: write an emoji's name, such as :robot_face:, or an image's https:// address"
        )


def is_address(icon: str) -> bool:
    """Whether an icon is the address of an image."""
    try:
        parts = urlsplit(icon)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and ADDRESS.fullmatch(icon) is not None


def _is_channel(channel: str) -> bool:
    return ID.fullmatch(channel) is not None or (NAME.fullmatch(channel) is not None and channel == channel.lower())


def _is_emoji(icon: str) -> bool:
    return EMOJI.fullmatch(icon) is not None and icon == icon.lower()
