"""Text for Slack. It cannot ping, fake a line or change the direction of other text. Bare addresses become links."""

import re
from typing import Final

from notifications.events.event import Event
from notifications.utils import graphemes
from notifications.utils.clean_text import one_line

#: Characters, after escaping. Slack splits longer texts into several messages, and only the first would be marked.
LONGEST: Final = 4_000
CUT: Final = " […]"
UNKNOWN_AUTHOR: Final = "(unknown author) "
#: Control characters (not newline and tab), marks and overrides of direction, zero-width characters, surrogates.
REMOVED: Final = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\N{ARABIC LETTER MARK}\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\u200b\u2060-\u2064\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
PART_OF_ESCAPE: Final = re.compile(r"&\w*\Z")


def message(event: Event) -> str:
    """Returns the text of an event. If anybody may have written it: one line, marked as such."""
    text = REMOVED.sub("", "\n".join(event.text.splitlines()))
    if not event.author_known:
        text = UNKNOWN_AUTHOR + " ".join(text.split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if len(text) <= LONGEST:
        return text
    return PART_OF_ESCAPE.sub("", graphemes.first(text, LONGEST - len(CUT))) + CUT


def console_line(event: Event) -> str:
    """Returns the text for a terminal."""
    return one_line(event.text if event.author_known else UNKNOWN_AUTHOR + event.text)
