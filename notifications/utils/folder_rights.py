"""Finds what this user may not use in a folder, and says whose it is and what to do."""

import errno
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import Final, NamedTuple

#: Names to look at in a folder. A spool may have more, but then its other files are like these.
MOST_NAMES: Final = 200
#: In these, other users' files stop a worker. Elsewhere one costs only what it holds.
LOCKS, JOURNAL = "locks", "journal"
#: Files of the journal with this suffix are read-only once they are full.
SEALED: Final = ".journal"
DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class Refused(NamedTuple):
    """`what` is wrong with the path, and the `command` or step that mends it."""

    path: Path
    what: str
    command: str

    def __str__(self) -> str:
        return f"{self.path} {self.what}: {self.command}"


def refused_in(folder: Path, names: Iterable[str] = ()) -> list[Refused]:
    """What this user may not use: the folder, its files and folders of these `names`, and the folders in those.

    All others in it are somebody else's business, such as lost+found. If the folder does not exist: its parent, if
    this user cannot make it there. Opens nothing.
    """
    top = nearest(folder)
    if top != folder:
        return [] if os.access(top, os.W_OK | os.X_OK) else [_refused(top)]
    found = [
        refused for path in (folder, *_to_use(folder / name for name in names)) if (refused := _check(path)) is not None
    ]
    return [each for each in found if not any(other.path in each.path.parents for other in found)]


def explain(error: OSError) -> str:
    """One line on an error of missing rights: which path, whose it is, what to do. "" for other errors."""
    if error.errno not in DENIED or not isinstance(error.filename, str | bytes):
        return ""
    return str(_check(nearest(Path(os.fsdecode(error.filename)))) or "")


def owner_of(path: Path) -> str:
    """The name of the user. Raises OSError."""
    return _name(path.stat().st_uid)


def nearest(path: Path) -> Path:
    """The path, or its nearest parent that exists, as far as this user can see."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _to_use(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield path
        if os.path.isdir(path):  # Path's own raises, if it is not ours to see
            all_matter = path.name in {LOCKS, JOURNAL}
            yield from (inner for inner in _inside(path) if all_matter or os.path.isdir(inner))


def _inside(folder: Path) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:  # a folder that cannot be read is reported itself
        return [Path(entry.path) for entry in islice(entries, MOST_NAMES)]
    return []


def _check(path: Path) -> Refused | None:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):  # not made yet, or removed meanwhile
        return None
    except OSError:
        return _refused(path)
    if stat.S_ISDIR(mode):
        wanted = os.R_OK | os.W_OK | os.X_OK
    elif stat.S_ISREG(mode):
        wanted = os.R_OK if path.suffix == SEALED else os.R_OK | os.W_OK
    else:
        return None
    return None if os.access(path, wanted) else _refused(path)


def _refused(path: Path) -> Refused:
    ours, quoted = _name(os.geteuid()), quote(str(path))
    try:
        status, read_only = path.stat(), os.statvfs(path).f_flag & os.ST_RDONLY
    except OSError:
        return Refused(path, f"cannot be seen by {ours}", f"let {ours} into the folders above it")
    if read_only:
        return Refused(path, "is on a read-only file system", "mount it writable, or name another folder")
    owner = _name(status.st_uid)
    if status.st_uid == os.geteuid():
        return Refused(path, f"belongs to {owner}, who has taken away their own rights", f"chmod -R u+rwX {quoted}")
    return Refused(path, f"belongs to {owner}, and {ours} may not use it", f"as root, chown -R {ours}: {quoted}")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
