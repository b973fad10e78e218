"""Examines the folder of spool, locks and file journal: rights, and whether a file that is written there is safe."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from notifications.conf import conf
from notifications.doctor.messages import finding_of, findings_of, folder_messages
from notifications.status.now import machine_status
from notifications.status.storage_problems import storage_problems
from notifications.utils.finding import Finding, Result, failed, ok, warning
from notifications.utils.folder_rights import explain, nearest, owner_of
from notifications.utils.sizes import size

#: Locks of files, and SQLite's WAL, need a disk of this machine.
OF_NETWORKS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph"})
#: Seconds for one fsync: each 202 takes one.
SLOW: Final = 0.2


def state_folder() -> Iterator[Finding]:
    """Its rights by the checks; then one small file is written, synced and deleted."""
    found = list(findings_of(folder_messages()))
    yield from found
    folder = conf.state_dir
    if any(each.result is Result.FAILED for each in found):
        return
    if not folder.is_dir():
        yield ok(f"{folder} is not there yet: the workers make it, in {nearest(folder)}")
        return
    yield from _network(folder)
    yield _written(folder)


def _written(folder: Path) -> Finding:
    path = folder / f"doctor-{uuid.uuid4().hex}"
    started = time.monotonic()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            path.unlink()  # before it is written: a doctor that is killed leaves nothing
            os.write(descriptor, b"proppy_doctor\n" * 300)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return failed(
            f"{folder} takes no file: {error.strerror}", explain(error) or "Make room on its disk, or mend it."
        )
    finally:
        with suppress(OSError):
            path.unlink()
    took = time.monotonic() - started
    text = f"{folder} belongs to {owner_of(folder)}; a file was written, synced and deleted in {took * 1000:.0f} ms"
    if took > SLOW:
        return warning(text, "Each stored post waits so long: use a faster disk, or look at what else writes to it.")
    return ok(text)


def _network(folder: Path) -> Iterator[Finding]:
    kind = file_system(folder)
    if kind in OF_NETWORKS:
        advice = "Name a folder on a disk of this machine: locks and SQLite need one."
        yield warning(f"{folder} is on {kind}, which other machines may change", advice)


def file_system(path: Path) -> str:
    """Its type, such as ext4; "" if unknown."""
    best, kind = "", ""
    with suppress(OSError):
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, point, found, *_ = line.split(" ")
            inside = path.resolve().is_relative_to(point.replace("\\040", " "))
            if inside and len(point) >= len(best):
                best, kind = point, found
    return kind


def spool() -> Iterator[Finding]:
    """What the verdict says of it."""
    now = machine_status()
    problems = [each for each in storage_problems(now, "") if each.name.startswith("spool")]
    yield from map(finding_of, problems)
    if now.spool and not problems:
        yield ok(f"{now.spool.waiting} files wait; {size(now.spool.bytes)} of {size(now.spool.max_bytes)} are used")
