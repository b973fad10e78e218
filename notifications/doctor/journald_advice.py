"""What to do about a journald that cannot be written or read."""

import errno
import grp
import os
import pwd
from pathlib import Path
from typing import Final

from notifications.journal.journald.journal import SOCKETS
from notifications.journal.journald.stored_entries import journal_paths

BOOTED: Final = Path("/run/systemd/system")


def missing_namespace(namespace: str) -> str:
    """There is no socket."""
    others = sorted(path.parent.name.removeprefix("journal.") for path in Path(SOCKETS).glob("journal.*/socket"))
    there = f" Namespaces that are there: {', '.join(others)}." if namespace and others else ""
    if not BOOTED.is_dir():
        return "systemd does not run here: set the file journal, NOTIFICATIONS_JOURNAL_URL=file:///path." + there
    return f"systemctl start {unit(namespace, 'socket')}; or mend NOTIFICATIONS_JOURNAL_URL.{there}"


def advice_on_writing(error: OSError, namespace: str, path: Path) -> str:
    """By what the kernel answers."""
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{_user()} may not write to {path} ({_mode(path)}): let it into that group, or run this as its user."
    return (
        f"systemctl restart {unit(namespace, 'service')}; journalctl -u {unit(namespace, 'service')} says why it ended."
    )


def advice_on_reading(namespace: str) -> str:
    """It is stopped, or this user may not read its files."""
    folders = [path for path in journal_paths(namespace) if os.path.isdir(path)]
    denied = [path for path in folders if not os.access(path, os.R_OK | os.X_OK)]
    if denied:
        return (
            f"{_user()} may not read {denied[0]} ({_mode(denied[0])}): let it into that group, or run this as its user."
        )
    status = f"systemctl status {unit(namespace, 'service')}"
    return f"Does it run ({status})? And is {_user()} in a group that may read it, such as systemd-journal?"


def unit(namespace: str, kind: str) -> str:
    """ "systemd-journald@proppy.socket"."""
    return f"systemd-journald{f'@{namespace}' if namespace else ''}.{kind}"


def _user() -> str:
    """ "ada (groups ada, adm)"."""
    groups = ", ".join(sorted(_group(each) for each in {*os.getgroups(), os.getegid()}))
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = f"user {os.geteuid()}"
    return f"{name} (groups {groups})"


def _mode(path: Path) -> str:
    """ "group systemd-journal, mode 2750"."""
    try:
        found = path.stat()
    except OSError as error:
        return str(error.strerror)
    return f"group {_group(found.st_gid)}, mode {found.st_mode & 0o7777:o}"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
