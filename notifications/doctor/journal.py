"""Examines the journals: an entry is written, and read back as the follower does.

journald cannot delete an entry. Its identifier is another one than the events', so no follower sees it, and the
journal's quota removes it. Nothing is written to a file journal, which has no such identifiers: only its rights are
looked at.
"""

import os
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from notifications.conf import conf
from notifications.doctor.journald_advice import advice_on_reading, advice_on_writing, missing_namespace
from notifications.journal import Entry, JournaldJournal, as_text, journal_from_url, parse_url
from notifications.journal.auto import IDENTIFIER, comes_back
from notifications.utils.finding import Finding, failed, ok, warning
from notifications.utils.folder_rights import refused_in

#: Seconds for an entry to come back. A follower sees it within 0.4 s.
PATIENCE: Final = 3.0


def journal() -> Iterator[Finding]:
    """The journal of events."""
    try:
        url = chosen(conf.journal_url)
    except ValueError as error:
        yield failed(str(error), "Mend NOTIFICATIONS_JOURNAL_URL.")
        return
    how = f"{url} (chosen by auto)" if conf.journal_url == "auto" else url
    kind, place = parse_url(url)
    if kind == "memory":
        yield warning(
            f"{how}: events stay in the process that emits them", "For tests only: set journald:// or file://."
        )
    elif kind == "file":
        yield from _folder(how, Path(place))
    else:
        yield from _journald(how, place, trusts=True)


def text_journal() -> Iterator[Finding]:
    """The journal of other programs' plain lines, if it is another one than that of the events."""
    try:
        events = chosen(conf.journal_url)
        url = conf.text_journal_url or ("journald://" if events.startswith("journald:") else "")
        kind, place = parse_url(url) if url else ("", "")
    except ValueError as error:
        yield failed(str(error), "Mend NOTIFICATIONS_TEXT_JOURNAL_URL.")
        return
    if not url:
        yield ok("plain lines of other programs are not read")
    elif url == events:
        yield ok(f"{url}, as the events")
    elif kind == "file":
        yield from _folder(url, Path(place))
    else:
        yield from _journald(url, place, trusts=False)


def chosen(url: str) -> str:
    """What `auto` means. Raises ValueError if it is no journal."""
    if url != "auto":
        parse_url(url)
        return url
    if (conf.state_dir / "journal-auto").exists():
        return journal_from_url(url, conf.state_dir).url
    works = os.path.exists(JournaldJournal().socket_path)  # to choose would be a change
    return "journald://" if works else (conf.state_dir.absolute() / "journal").as_uri()


def _folder(url: str, folder: Path) -> Iterator[Finding]:
    refused = refused_in(folder)
    yield from (failed(f"{url}: {each.path} {each.what}", f"{each.command}.") for each in refused)
    if not refused:
        yield ok(f"{url}: this user may write and read it")


def _journald(url: str, namespace: str, *, trusts: bool) -> Iterator[Finding]:
    with closing(JournaldJournal(namespace, identifier=IDENTIFIER)) as journal:
        path = Path(journal.socket_path)
        if not _is_socket(path):
            yield failed(f"{url}: there is no socket {path}", missing_namespace(namespace))
            return
        started = time.monotonic()
        try:
            message, since = _write(journal)
        except OSError as error:
            yield failed(f"{url} takes no entry: {error.strerror}", advice_on_writing(error, namespace, path))
            return
        try:
            with journal.open(since=since) as reader:
                entry = comes_back(reader, message, started + PATIENCE)
        except OSError as error:
            yield failed(f"{url} cannot be read: {error}", advice_on_reading(namespace))
            return
    took = (time.monotonic() - started) * 1000
    if entry is None:
        text = f"{url} takes entries, and within {PATIENCE:g} s none can be read back"
        yield failed(text, advice_on_reading(namespace))
    elif trusts and (uid := _uid(entry)) not in conf.trusted_uids:
        advice = f"Add {uid} to NOTIFICATIONS_TRUSTED_UIDS, or run this as the user of the services."
        yield failed(f"{url}: entries of this user (uid {uid}) are not believed", advice)
    else:
        yield ok(f"{url}: an entry was written, and read back after {took:.0f} ms")


def _write(journal: JournaldJournal) -> tuple[str, datetime]:
    """Returns the message, and a time before it. Raises OSError."""
    message, since = f"{uuid.uuid4().hex}: proppy_doctor", datetime.now(UTC) - timedelta(seconds=1)
    fields = {"MESSAGE": message, "PRIORITY": "7", "SYSLOG_IDENTIFIER": IDENTIFIER}
    journal.write_patiently(journal.encode(fields))
    return message, since


def _uid(entry: Entry) -> int | None:
    text = as_text(entry.fields.get("_UID"))
    return int(text) if text.isdigit() else None


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False
