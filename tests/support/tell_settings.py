"""The site's settings with more channels ($TELL_CHANNELS, in JSON), and limits that a test can wait for."""

import json
import os

from notifications.channels.slack import Slack, bot_or_webhook
from notifications.follow_journal import silent_journalctl
from proppy.settings import *  # noqa: F403
from proppy.settings import DATABASES, NOTIFICATIONS_CHANNELS

NOTIFICATIONS_CHANNELS |= json.loads(os.environ.get("TELL_CHANNELS", "{}"))
DATABASES["default"]["OPTIONS"] |= {"timeout": 0.5} if "timeout" in DATABASES["default"]["OPTIONS"] else {}
Slack.interval = float(os.environ.get("TELL_INTERVAL", "1"))
bot_or_webhook.TIMEOUT = 2  # type: ignore[misc]
if "TELL_SILENCE" in os.environ:
    silent_journalctl.LONGEST_SILENCE = float(os.environ["TELL_SILENCE"])  # type: ignore[misc]
    silent_journalctl.SECONDS_TO_READ, silent_journalctl.JITTER = 0.5, 0.1  # type: ignore[misc]
