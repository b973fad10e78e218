import os
import sys
import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from notifications.conf import conf
from notifications.management.tables import require_tables
from notifications.models import FailureGroup, State
from notifications.operations.replay import RATE
from notifications.operations.replay_modes import Replay
from notifications.operations.replay_progress import Checkpoint
from notifications.operations.selection import Selection
from notifications.operations.send_copy import AddressRefused, target_of
from notifications.utils.times import parse_time


class Command(BaseCommand):
    help = (
        "Have payloads processed again: by receipt, source, state, failure group or time; without receipt, state and"
        " group, the dead ones. Quarantined ones are verified again; one that came under a used key with other bytes is"
        " handled if named by receipt. --to sends copies to a developer's machine."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("receipts", nargs="*", metavar="RECEIPT", help="only these")
        parser.add_argument("--source", default="", help="only this source")
        parser.add_argument("--state", choices=State.values, help="only in this state")
        parser.add_argument("--failure", type=int, metavar="GROUP-ID", help="only this failure group")
        parser.add_argument("--since", metavar="TIME", help='received since "2 days ago" or "2026-05-01 14:02"')
        parser.add_argument("--until", metavar="TIME", help="received before")
        parser.add_argument("--dry-run", action="store_true", help="list, change nothing")
        parser.add_argument("--rate", type=float, default=RATE, help="payloads that become due a second (%(default)s)")
        parser.add_argument("--restart", action="store_true", help="do not resume a stopped replay: start again")
        parser.add_argument("--to", metavar="URL", help="POST copies to this address instead; changes nothing")
        parser.add_argument("--allow-host", action="append", default=[], metavar="HOST", help="allow --to this host")
        parser.add_argument("--with-signatures", action="store_true", help="copies keep their signature headers")
        parser.add_argument("--with-keys", action="store_true", help="copies keep idempotency keys and credentials")

    def handle(self, *_: Any, dry_run: bool, to: str | None, rate: float, restart: bool, **options: Any) -> None:
        if not 0.001 <= rate <= 1_000_000:
            raise CommandError("--rate must be a number of payloads a second, such as 100.")
        require_tables()
        selection = _selection(options)
        replay = Replay(selection, self.stdout)
        try:
            if dry_run:
                replay.show()
            elif to is not None:
                target = target_of(to, allowed=options["allow_host"])
                replay.send(target, signatures=options["with_signatures"], keys=options["with_keys"])
            elif selection.state == State.QUARANTINED:
                replay.verify_again()
            else:
                replay.replay(Checkpoint(_asked(options, selection)), rate=rate, restart=restart)
        except BrokenPipeError:  # | head
            _end_quietly()
        except AddressRefused as error:
            raise CommandError(f"--to: {error}") from error
        except (Error, OSError) as error:
            raise CommandError(f"{error}. Run it again: it resumes where it stopped.") from error


def _end_quietly() -> None:
    """The reader has gone: Python must not report that when it flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _selection(options: dict[str, Any]) -> Selection:
    """Raises CommandError."""
    source, state, failure = options["source"], options["state"], options["failure"]
    if source and source not in conf.sources:
        raise CommandError(f"No source {source!r}. There are: {', '.join(sorted(conf.sources))}.")
    if failure is not None and not FailureGroup.objects.filter(pk=failure).exists():
        raise CommandError(f"No failure group {failure}: the admin lists them, and so does --dry-run.")
    try:
        receipts = tuple(sorted(set(map(_receipt, options["receipts"]))))
        since, until = (options[name] and parse_time(options[name]) for name in ("since", "until"))
    except ValueError as error:
        raise CommandError(str(error)) from error
    if not (state or receipts or failure is not None):
        state = State.DEAD
    return Selection(
        receipts=receipts,
        source=source,
        state=State(state) if state else None,
        failure=failure,
        since=since,
        until=until,
    )


def _receipt(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a whole receipt: copy all of it from the payload's page or --dry-run."
        ) from None


def _asked(options: dict[str, Any], selection: Selection) -> dict[str, Any]:
    """The options as given: the next start finds its checkpoint by them."""
    words = {name: options[name] for name in ("source", "since", "until")}
    return words | {"state": selection.state, "failure": selection.failure, "receipts": selection.receipts}
