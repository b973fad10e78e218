"""The journal: where events are written to and read from. `journal_from_url` returns the one that a URL names."""

import os
from functools import cache
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from notifications.journal.auto import chooses_journald, journald_works
from notifications.journal.base import (
    AUDIT_FIELDS,
    FIELDS,
    SUPPRESSED,
    Entry,
    EntryTooLarge,
    Found,
    Gap,
    Journal,
    Reader,
    as_text,
    decode,
    encode,
)
from notifications.journal.event_fields import event_fields
from notifications.journal.file.journal import FileJournal
from notifications.journal.journald.journal import JournaldJournal, check_namespace
from notifications.journal.memory import MemoryJournal

__all__ = [
    "AUDIT_FIELDS",
    "FIELDS",
    "SUPPRESSED",
    "Entry",
    "EntryTooLarge",
    "FileJournal",
    "Found",
    "Gap",
    "Journal",
    "JournaldJournal",
    "MemoryJournal",
    "Reader",
    "as_text",
    "decode",
    "encode",
    "event_fields",
    "journal_from_url",
    "parse_url",
]


@cache
def journal_from_url(url: str, state_dir: Path) -> Journal:
    """Returns the journal of a URL, the same object each time. Raises ValueError if the URL is invalid.

    `auto` (which takes up to a second the first time), `journald://`, `journald://NAMESPACE`, `file:///folder`,
    `memory://`. `auto` keeps its choice, and the file journal, in `state_dir`.
    """
    kind, place = parse_url(url)
    if kind == "auto":
        kind = "journald" if chooses_journald(state_dir, journald_works) else "file"
        place = "" if kind == "journald" else str(state_dir / "journal")
    if kind == "journald":
        return JournaldJournal(place, links=state_dir / "journald")
    return FileJournal(Path(place)) if kind == "file" else _memory_journal()


def parse_url(url: str) -> tuple[str, str]:
    """("auto", ""), ("journald", namespace), ("file", absolute path) or ("memory", ""). Opens nothing.

    Raises ValueError if the URL names no journal.
    """
    scheme, separator, rest = url.partition("://")
    if url in {"auto", "memory://"}:
        return scheme, ""
    if separator and scheme == "journald":
        return scheme, check_namespace(rest)
    if separator and scheme == "file":
        return scheme, _folder(url)
    raise ValueError(
        f"{url!r} names no journal: use auto, journald://, journald://NAMESPACE, file:///folder or memory://"
    )


@cache
def _memory_journal() -> Journal:
    return MemoryJournal()


def _folder(url: str) -> str:
    """The inverse of Path.as_uri(), also for names that are not UTF-8."""
    parts = urlsplit(url)
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if parts.netloc or path in ("", "/") or parts.query or parts.fragment or "\0" in path:
        raise ValueError(
            f"{url!r} names no folder: write file:// and an absolute path, file:///var/lib/proppy, with %23 for # in it"
        )
    return path
