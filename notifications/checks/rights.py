"""Checks that this user may use the folders of the engine. They open nothing, and make nothing."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from django.core import checks
from django.core.checks import CheckMessage, Error

from notifications.checks.databases import engine_options, vendor
from notifications.conf import STATE_NAMES, conf
from notifications.journal import parse_url
from notifications.utils.folder_rights import owner_of, refused_in

#: Seen at once; one command often mends all.
MOST: Final = 5
STATE: Final = "NOTIFICATIONS_STATE_DIR"


def check_rights(**_: Any) -> list[CheckMessage]:
    """STATE_DIR, a file journal and a SQLite elsewhere: read-only, of another user, or with things of another user."""
    refused: dict[Path, str] = {}
    for name, path in _paths().items():
        for each in refused_in(path, STATE_NAMES if name == STATE else ()):
            if not refused.keys() & {each.path, *each.path.parents}:
                refused[each.path] = f"{name}: {each}"
    hint = "The workers cannot run without it, and the site serves what it can."
    errors = [Error(text, hint=hint, id="notifications.E018") for text in list(refused.values())[:MOST]]
    return [*errors] or [*_root(Path(conf.state_dir))]


def _paths() -> dict[str, Path]:
    """By setting. Those that are no paths are reported by other checks."""
    paths = {STATE: Path(conf.state_dir)}
    with suppress(ValueError, AttributeError):
        kind, place = parse_url(conf.journal_url)
        paths |= {"NOTIFICATIONS_JOURNAL_URL": Path(place)} if kind == "file" else {}
    if vendor() == "sqlite":
        paths["The database"] = Path(engine_options()["NAME"])
    return {name: path for name, path in paths.items() if path.is_absolute()}


def _root(folder: Path) -> Iterator[CheckMessage]:
    if os.geteuid() == 0 and folder.exists() and folder.stat().st_uid != 0:
        owner = owner_of(folder)
        hint = f"Run commands as {owner}: sudo -u {owner} …."
        text = f"{STATE}: {folder} belongs to {owner}, who may not use what root makes there."
        yield checks.Warning(text, hint=hint, id="notifications.W012")


CHECKS: Final = (check_rights,)
