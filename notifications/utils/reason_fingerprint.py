"""A fingerprint of why deliveries failed: equal for reasons that differ only in what changes each time."""

import hashlib
import re
from typing import Final

#: What differs from event to event: quoted text, ids, long numbers. Short numbers, as a status is, tell reasons apart.
QUOTED: Final = re.compile(r"(['\"`“])[^'\"`“”]*['\"`”]")
IDS: Final = re.compile(r"\b(?=[0-9a-f-]*[0-9])[0-9a-f-]{8,}\b|[0-9]{4,}", re.IGNORECASE)
#: What a receiver's answer says, as channels/webhook.py quotes it.
SAID: Final = re.compile(r" \(it said: .*\)$")
TRACEBACK: Final = "Traceback (most recent call last)"
PLACE: Final = re.compile(r'^  File "(.*)", line \d+, in (.*)$', re.MULTILINE)
LONGEST: Final = 1000


def reason_fingerprint(reason: str) -> str:
    """Of a traceback: the exception's type and the innermost function. Else: the last line without what changes."""
    line = reason.strip().rpartition("\n")[2][:LONGEST]
    if TRACEBACK in reason and (places := PLACE.findall(reason)):
        parts = [line.partition(":")[0], *places[-1]]
    else:
        parts = [IDS.sub("#", QUOTED.sub("#", SAID.sub("", line)))]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
