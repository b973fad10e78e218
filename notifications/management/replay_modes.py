"""What `replay_raw` does with a selection: list it, replay it, verify it again, or send copies of it."""

from collections.abc import Iterator
from typing import Any, Final

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from notifications.clean import one_line
from notifications.models import RawPayload
from notifications.raw import quarantine
from notifications.raw.pauses import unhurried
from notifications.raw.progress import ProgressBar
from notifications.raw.quarantine import Verdict
from notifications.raw.replay import STEP, Progress, begin, period, steps
from notifications.raw.replay_checkpoint import AlreadyReplayed, Checkpoint, CheckpointDamaged
from notifications.raw.selection import Selection, youngest
from notifications.raw.send_copy import Target, send
from notifications.raw.wake import wake
from notifications.worker import Stop, stop_on_signals

COLUMNS: Final = ("pk", "receipt", "received_at", "state", "source", "failure_id", "failure__title")


class Replay:
    """One call of the command. SIGINT and SIGTERM end each mode after what is in hand.

    Each raises CommandError, what the database raises, and OSError.
    """

    def __init__(self, selection: Selection, out: OutputWrapper) -> None:
        self._selection, self._out = selection, out

    def show(self) -> None:
        """Print what is selected, and change nothing."""
        count = 0
        with stop_on_signals() as stop:
            for pks in self._selection.walk(upper=youngest()):
                rows = {row[0]: row[1:] for row in RawPayload.objects.filter(pk__in=pks).values_list(*COLUMNS)}
                for pk in filter(rows.__contains__, pks):
                    self._out.write(_line(*rows[pk]))
                count += len(rows)
                if stop.is_set():
                    break
        self._out.write(f"{count} payloads{_not_all(stop)}.")

    def replay(self, checkpoint: Checkpoint, *, rate: float, restart: bool) -> None:
        """Have them processed again; where an earlier run of the same selection was stopped, go on there."""
        try:
            with checkpoint.held():
                if restart:
                    checkpoint.forget()
                self._replay(checkpoint, rate)
        except AlreadyReplayed:
            raise CommandError("Another replay_raw is at the same payloads: wait for its end.") from None
        except CheckpointDamaged as error:
            raise CommandError(f"{error} is damaged: --restart begins anew.") from error

    def _replay(self, checkpoint: Checkpoint, rate: float) -> None:
        kept = checkpoint.load(self._selection)
        selection, progress = kept or (self._selection, begin(self._selection))
        if kept:
            began = timezone.localtime(progress.started_at)
            self._out.write(
                f"Going on with the replay of {began:%Y-%m-%d %H:%M:%S}, which was stopped after {progress.seen}"
                f" of {progress.total} (--restart begins anew)."
            )
        bar = ProgressBar(self._out, progress.total, seen=progress.seen)
        with stop_on_signals() as stop:
            checkpoint.save(selection, progress)
            work = steps(selection, progress, rate=rate, step=STEP)
            for _ in unhurried(work, stop.wait, period=period(rate)):
                checkpoint.save(selection, progress)
                wake()
                bar.show(progress.seen)
                if stop.is_set():
                    break
            else:
                checkpoint.forget()
        bar.close()
        if stop.is_set() and progress.seen < progress.total:
            self._out.write(
                f"Stopped after {progress.seen} of {progress.total}: the same command goes on there,"
                " with --restart it begins anew."
            )
            return
        self._tell(progress, resumed=kept is not None)

    def _tell(self, progress: Progress, *, resumed: bool) -> None:
        self._out.write(f"{progress.moved} payloads will be processed again.")
        if progress.moved and (seconds := (progress.due - timezone.now()).total_seconds()) > 1:
            self._out.write(f"They become due within {seconds:.0f} s; --rate says how many a second.")
        if progress.left:
            self._out.write(
                f"{progress.left} were left: they are new, in a worker's hand, or quarantined (--state quarantined"
                " verifies those again)."
            )
        if resumed:
            self._out.write("What came after its first start is not among them: the same command takes it now.")

    def verify_again(self) -> None:
        """Let in those whose signature is good by now."""
        upper = youngest()
        bar = ProgressBar(self._out, self._selection.count(upper=upper))
        found = dict.fromkeys(Verdict, 0)
        with stop_on_signals() as stop:
            for pk in self._each(upper):
                found[quarantine.verify_one(pk)] += 1
                bar.show(sum(found.values()))
                if stop.is_set():
                    break
        bar.close()
        self._out.write(
            f"{found[Verdict.ADMITTED]} payloads admitted, {found[Verdict.BAD]} still badly signed,"
            f" {found[Verdict.DUPLICATE]} duplicates left there."
        )
        if stop.is_set():
            self._out.write("Stopped: run it again for the rest.")

    def send(self, target: Target, **options: Any) -> None:
        """Send copies, one after the other, and change nothing."""
        sent = good = 0
        with stop_on_signals() as stop:
            for pk in self._each(youngest()):
                payload = RawPayload.objects.filter(pk=pk).first()
                if payload is None:  # pruned
                    continue
                answer = send(payload, target, **options)
                sent, good = sent + 1, good + answer.startswith("2")
                self._out.write(f"{payload.receipt}  {payload.source}  {answer}")
                if stop.is_set():
                    break
        self._out.write(f"{sent} sent to {target.netloc}, {good} of them answered 2xx{_not_all(stop)}.")

    def _each(self, upper: int) -> Iterator[int]:
        for pks in self._selection.walk(upper=upper):
            yield from pks


def _not_all(stop: Stop) -> str:
    return "; then it was stopped" if stop.is_set() else ""


def _line(receipt: Any, came: Any, state: str, source: str, failure: int | None, title: str | None) -> str:
    why = f"  #{failure} {one_line(title or '')}" if failure else ""
    return f"{receipt}  {timezone.localtime(came):%Y-%m-%d %H:%M:%S}  {state:<11}  {source}{why}"
