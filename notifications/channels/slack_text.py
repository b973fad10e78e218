"""Text as Slack takes it: nothing in it can ping, fake a line or turn the direction of others. Bare addresses link."""

import re
from typing import Final

from notifications.clean import one_line
from notifications.events import Event

#: Characters, after escaping. Slack splits longer texts into several messages, of which only the first would be marked.
LONGEST: Final = 4_000
CUT: Final = " […]"
UNKNOWN_AUTHOR: Final = "(unknown author) "
#: Control characters but newline and tab, marks and overrides of direction, what has no width, lone surrogates.
REMOVED: Final = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\N{ARABIC LETTER MARK}\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\u200b\u2060-\u2064\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
PART_OF_ESCAPE: Final = re.compile(r"&\w*\Z")


def message(event: Event) -> str:
    """The text of an event. One line, marked, if anybody may have written it."""
    text = REMOVED.sub("", "\n".join(event.text.splitlines()))
    if not event.author_known:
        text = UNKNOWN_AUTHOR + " ".join(text.split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text if len(text) <= LONGEST else PART_OF_ESCAPE.sub("", text[: LONGEST - len(CUT)]) + CUT


def console_line(event: Event) -> str:
    """For a terminal."""
    return one_line(event.text if event.author_known else UNKNOWN_AUTHOR + event.text)
