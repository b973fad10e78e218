"""Encodes an event as a journal entry, and parses it again. Nothing else does."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from notifications.events.event import NAME, Event
from notifications.journal import Entry, as_text
from notifications.utils import graphemes
from notifications.utils.times import moment_of

TEXT_LINE: Final = re.compile(r"([A-Z][A-Z0-9_]{0,31}): (.*)", re.DOTALL)
UID: Final = re.compile(r"[0-9]{1,10}")
MAX_BYTES: Final = 64 * 1024
#: Characters that are never more bytes.
SHORT: Final = MAX_BYTES // 4
CUT_MARK: Final = " […cut: larger things belong in keep()]"


def cut(text: str) -> str:
    """The text, cut and marked if it has over MAX_BYTES bytes."""
    if len(text) <= SHORT:
        return text
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) <= MAX_BYTES:
        return text
    kept = raw[: MAX_BYTES - len(CUT_MARK.encode())]
    while kept and kept[-1] & 0xC0 == 0x80:  # not in the middle of a code point
        kept = kept[:-1]
    return graphemes.first(text, len(kept[:-1].decode("utf-8", "surrogatepass"))) + CUT_MARK


def dump_data(fields: Mapping[str, Any]) -> str:
    """An event's fields as JSON, whatever their values; only their size if they are larger than MAX_BYTES."""
    try:
        raw = orjson.dumps(fields, default=readable, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError):
        raw = _dump_leniently(fields).encode()
    return raw.decode() if len(raw) <= MAX_BYTES else json.dumps({"cut": len(raw)})


def _dump_leniently(fields: Mapping[str, Any]) -> str:
    """For values that orjson refuses: integers over 64 bits, lone surrogates. A cycle loses the fields only."""
    try:
        return json.dumps(fields, default=readable, skipkeys=True)
    except (ValueError, RecursionError) as error:
        return json.dumps({"unreadable": str(error)})


def readable(value: object) -> str:
    """str() of a value, or its class's name if that raises."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001  a bug in the caller's class must not lose the event
        return f"<{type(value).__name__}>"


def event_of(entry: Entry, trusted_uids: frozenset[int]) -> Event | None:
    """Returns the event in a journal entry, or None if there is none by a trusted user.

    `_UID` decides: journald takes it from the kernel. Every other field is a claim of the sender.
    """
    name = entry.fields.get("PROPPY_EVENT")
    if not isinstance(name, str) or not NAME.fullmatch(name) or not is_trusted(entry, trusted_uids):
        return None
    prefix, text = f"{name}: ", as_text(entry.fields.get("MESSAGE"))
    if not text.startswith(prefix):
        return None
    data = load_data(as_text(entry.fields.get("PROPPY_DATA")))
    event_id = as_text(entry.fields.get("PROPPY_ID"))
    return Event(name, text[len(prefix) :], moment_of(entry.time_us), data, event_id)


def text_event_of(entry: Entry) -> Event | None:
    """Returns the event in a plain line "SLACK: …", or None. Any user may have written it."""
    if "PROPPY_EVENT" in entry.fields:
        return None
    match = TEXT_LINE.fullmatch(as_text(entry.fields.get("MESSAGE")))
    if match is None:
        return None
    return Event(match[1], cut(match[2]), moment_of(entry.time_us), author_known=False)


def is_trusted(entry: Entry, trusted_uids: frozenset[int]) -> bool:
    """Whether one of these users wrote the entry."""
    uid = entry.fields.get("_UID")
    return isinstance(uid, str) and UID.fullmatch(uid) is not None and int(uid) in trusted_uids


def load_data(text: str) -> dict[str, Any]:
    """The fields that `dump_data` wrote; {} for anything else."""
    if not text:
        return {}
    try:
        data = orjson.loads(text)
    except ValueError:
        data = _load_leniently(text)
    return data if isinstance(data, dict) else {}


def _load_leniently(text: str) -> Any:
    """For what `_dump_leniently` writes and orjson refuses. Returns None for invalid JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
