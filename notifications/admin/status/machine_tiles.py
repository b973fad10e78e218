"""Tiles of this machine: spool, disks, workers."""

from collections import Counter
from collections.abc import Iterator

from notifications.admin.lists.body_view import visible
from notifications.admin.status.links import Links
from notifications.admin.status.tile import Mood, Tile
from notifications.admin.status.wording import plural, seconds
from notifications.models import Machine, RawPayload
from notifications.status.now import SpoolStatus, Status
from notifications.status.storage_problems import NEARLY, WAITS
from notifications.utils.sizes import size
from notifications.workers.heartbeat import Beat


def machine_tiles(now: Status, links: Links) -> Iterator[Tile]:
    """Those of the machine that answers; it says which if there are others."""
    if links.may_see(RawPayload):
        yield _spool(now, links.to(RawPayload, received="hour"))
    yield _disk(now)
    if links.may_see(Machine):
        yield _workers(now, links.to(Machine))


def _spool(now: Status, href: str) -> Tile:
    """What is imported from it is in the list of payloads."""
    spool = now.spool
    if spool is None:
        return Tile("spool", "Spool", "cannot be read", Mood.UNKNOWN, [now.spool_problem], href)
    facts = [f"{size(spool.bytes)} of {size(spool.max_bytes)}"] if spool.bytes else []
    if spool.waiting:
        oldest = f", the oldest for {seconds(spool.oldest)}" if spool.oldest is not None else ""
        facts.append(f"{plural(spool.waiting, 'file')} wait{'s' * (spool.waiting == 1)}{oldest}")
    facts += [f"{plural(spool.set_aside, 'file')} set aside"] if spool.set_aside else []
    facts += ["new payloads go here"] if spool.breaker_open else []
    return Tile("spool", "Spool", *_spool_state(spool, is_away=now.database_is_away), facts, href)


def _spool_state(spool: SpoolStatus, *, is_away: bool) -> tuple[str, Mood]:
    if spool.bytes >= NEARLY * spool.max_bytes:
        return "nearly full", Mood.CRITICAL if is_away else Mood.WARNING
    if spool.set_aside:
        return "needs an operator", Mood.WARNING
    if spool.waiting:
        return "in use", Mood.WARNING if (spool.oldest or 0.0) >= WAITS else Mood.FINE
    return "empty", Mood.FINE


def _disk(now: Status) -> Tile:
    disks = (
        [("state", now.disk)]
        if now.one_disk or now.database_disk is None
        else [
            ("state", now.disk),
            ("database", now.database_disk),
        ]
    )
    low = now.disk.low or (now.database_disk is not None and now.database_disk.low)
    named = len(disks) > 1
    facts = [
        f"{size(disk.free)} free{f' for the {name}' if named else ''}" for name, disk in disks if disk.free is not None
    ]
    if low:
        return Tile("disk", "Disk", "nearly full", Mood.CRITICAL, facts)
    return Tile("disk", "Disk", "has room" if facts else "unknown", Mood.FINE if facts else Mood.UNKNOWN, facts)


def _workers(now: Status, href: str) -> Tile:
    """How many of each command turn, and which do not."""
    if now.workers is None:
        return Tile("workers", "Workers", "unknown", Mood.UNKNOWN, ["their heartbeats cannot be read"], href)
    turning = Counter(beat.command for beat in now.workers if beat.turns)
    still = [beat for beat in now.workers if not beat.turns]
    facts = [
        f"{plural(number, visible(command), visible(command))} turn{'s' * (number == 1)}"
        for command, number in sorted(turning.items())
    ]
    facts += [_still(beat) for beat in still]
    missing = {"process_raw", "follow_journal"} - turning.keys()
    if missing or still:
        facts += [f"no {command} turns" for command in sorted(missing)]
        return Tile("workers", "Workers", "not all turn" if turning else "none turns", Mood.WARNING, facts, href)
    return Tile("workers", "Workers", "all turn", Mood.FINE, facts, href)


def _still(beat: Beat) -> str:
    state = "is frozen" if beat.is_frozen else "was killed"
    return f"{visible(beat.command)} {beat.pid} {state}"
