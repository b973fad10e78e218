"""Tiles of this machine: spool, disks, workers."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from django.template.defaultfilters import filesizeformat

from notifications.admin.lists.body_view import visible
from notifications.admin.status.links import Links
from notifications.admin.status.tile import Mood, Tile
from notifications.admin.status.wording import count, plural, seconds
from notifications.models import Machine, RawPayload
from notifications.operations.machines import SILENT
from notifications.status.now import SpoolStatus, Status
from notifications.status.storage_problems import NEARLY, WAITS
from notifications.status.verdict import Verdict
from notifications.utils.sizes import size
from notifications.workers.heartbeat import Beat

#: Problems of workers, by name: the command that none turns of.
DEAD: Final = {"process-raw-dead": "process_raw", "follow-journal-dead": "follow_journal"}


def machine_tiles(found: Verdict, links: Links) -> Iterator[Tile]:
    """Those of the machine that answers."""
    if links.may_see(RawPayload):
        yield _spool(found.status, links.to(RawPayload, received="hour"))
    yield _disk(found.status)
    if links.may_see(Machine):
        yield _workers(found, links.to(Machine))


def _spool(now: Status, href: str) -> Tile:
    """What is imported from it is in the list of payloads."""
    spool = now.spool
    if spool is None:
        return Tile("spool", "Spool", "cannot be read", Mood.UNKNOWN, [visible(now.spool_problem)], href)
    facts = [f"{size(spool.bytes)} of {size(spool.max_bytes)}"] if spool.bytes else []
    if spool.waiting:
        age = spool.oldest or 0.0
        oldest = f", the oldest for {seconds(age)}" if age >= 1 else ""
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
    disks = {"state and spool": now.disk}
    if now.database_disk is not None and not now.one_disk:
        disks["the database"] = now.database_disk
    free = {name: filesizeformat(disk.free) for name, disk in disks.items() if disk.free is not None}
    facts = [f"{text} free{f' for {name}' * (len(disks) > 1)}" for name, text in free.items()]
    if any(disk.low for disk in disks.values()):
        return Tile("disk", "Disk", "nearly full", Mood.CRITICAL, facts)
    return Tile("disk", "Disk", "has room" if facts else "unknown", Mood.FINE if facts else Mood.UNKNOWN, facts)


def _workers(found: Verdict, href: str) -> Tile:
    """How many of each command turn, and which do not. Which must turn the verdict knows."""
    workers = found.status.workers
    if workers is None:
        return Tile("workers", "Workers", "unknown", Mood.UNKNOWN, ["their heartbeats cannot be read"], href)
    turning = Counter(beat.command for beat in workers if beat.turns)
    still = [beat for beat in workers if not beat.turns]
    missing = [DEAD[each.name] for each in found.problems if each.name in DEAD and not each.elsewhere]
    facts = [f"{count(number)} {visible(command)}" for command, number in sorted(turning.items())]
    facts += [f"no {command} runs" for command in missing] + [_still(beat) for beat in still] + _others(found.status)
    if missing or still:
        return Tile("workers", "Workers", "not all run" if turning else "none runs", Mood.WARNING, facts, href)
    return Tile("workers", "Workers", "all run" if turning else "none", Mood.FINE, facts, href)


def _still(beat: Beat) -> str:
    return f"{visible(beat.command)} {beat.pid} {'is frozen' if beat.is_frozen else 'was killed'}"


def _others(now: Status) -> list[str]:
    """Other machines that share the database."""
    seen = [machine.seen for machine in now.database.machines] if now.database else []
    silent = sum(age >= SILENT.total_seconds() for age in seen)
    texts = [f"{plural(len(seen), 'other machine')}"] if seen else []
    return texts + ([f"{count(silent)} of them silent"] if silent else [])
