"""The journal: where events are written to and read from. `journal_from_url` gives that of a URL."""

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from notifications.journal.auto import journald_works
from notifications.journal.base import (
    FIELDS,
    Entry,
    EntryTooLarge,
    Gap,
    Journal,
    Reader,
    as_text,
    decode,
    encode,
)
from notifications.journal.file import FileJournal
from notifications.journal.journald import JournaldJournal
from notifications.journal.memory import MemoryJournal

__all__ = [
    "FIELDS",
    "Entry",
    "EntryTooLarge",
    "FileJournal",
    "Gap",
    "Journal",
    "JournaldJournal",
    "MemoryJournal",
    "Reader",
    "as_text",
    "decode",
    "encode",
    "journal_from_url",
]


@cache
def journal_from_url(url: str, state_dir: Path) -> Journal:
    """The journal of a URL, the same object each time. Raises ValueError for a URL that is none.

    `auto` (which takes up to a second the first time), `journald://`, `journald://NAMESPACE`, `file:///folder`,
    `memory://`. `state_dir` is where `auto` keeps the file journal.
    """
    if url == "auto":
        return JournaldJournal() if journald_works() else FileJournal(state_dir / "journal")
    scheme, separator, rest = url.partition("://")
    if separator and scheme == "journald":
        return JournaldJournal(rest)
    if separator and scheme == "file":
        return FileJournal(_folder(url))
    if url == "memory://":
        return _memory_journal()
    raise ValueError(
        f"{url!r} names no journal: use auto, journald://, journald://NAMESPACE, file:///folder or memory://"
    )


@cache
def _memory_journal() -> Journal:
    return MemoryJournal()


def _folder(url: str) -> Path:
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc or path in ("", "/") or parts.query or parts.fragment or "\0" in path:
        raise ValueError(f"{url!r} names no folder: write file:// and an absolute path, file:///var/lib/proppy")
    return Path(path)
