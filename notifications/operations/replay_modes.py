"""What `replay_raw` does with a selection: list it, replay it, verify it again, or send copies of it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from notifications.models import RawPayload
from notifications.operations import quarantine
from notifications.operations.pauses import unhurried
from notifications.operations.quarantine import Verdict
from notifications.operations.replay import STEP, Progress, begin, period, steps
from notifications.operations.replay_progress import AlreadyReplayed, Checkpoint, CheckpointDamaged
from notifications.operations.selection import Selection, youngest
from notifications.operations.send_copy import Target, send
from notifications.store.wake_workers import wake
from notifications.utils.clean_text import one_line
from notifications.utils.progress import ProgressBar
from notifications.utils.times import utc_now
from notifications.utils.worker_name import shell_user
from notifications.workers.loop import Stop, stop_on_signals

COLUMNS: Final = ("pk", "receipt", "received_at", "state", "source", "failure_id", "failure__title")


class Replay:
    """One call of the command. SIGINT and SIGTERM end each mode after its current step.

    Each mode raises CommandError, database errors, and OSError.
    """

    def __init__(self, selection: Selection, out: OutputWrapper) -> None:
        self._selection, self._out = selection, out
        self._by = shell_user("replay_raw")

    def show(self) -> None:
        """Print the selected payloads, and change nothing."""
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
        """Have them processed again; if an earlier run of the same selection was stopped, resume there."""
        try:
            with checkpoint.held():
                if restart:
                    checkpoint.forget()
                self._replay(checkpoint, rate)
        except AlreadyReplayed:
            raise CommandError("Another replay_raw is replaying the same payloads: wait for its end.") from None
        except CheckpointDamaged as error:
            raise CommandError(f"{error} is damaged: --restart starts again.") from error

    def _replay(self, checkpoint: Checkpoint, rate: float) -> None:
        kept = checkpoint.load(self._selection)
        selection, progress = kept or (self._selection, begin(self._selection))
        if kept:
            began = timezone.localtime(progress.started_at)
            self._out.write(
                f"Resuming the replay of {began:%Y-%m-%d %H:%M:%S}, which was stopped after {progress.seen}"
                f" of {progress.total} (--restart starts again)."
            )
        with stop_on_signals() as stop, ProgressBar(self._out, progress.total, seen=progress.seen) as bar:
            checkpoint.save(selection, progress)
            work = steps(selection, progress, rate=rate, step=STEP, by=self._by)
            for _ in unhurried(work, stop.wait, period=period(rate)):
                checkpoint.save(selection, progress)
                wake()
                bar.show(progress.seen)
                if stop.is_set():
                    break
            else:
                checkpoint.forget()
        if stop.is_set() and progress.seen < progress.total:
            self._out.write(
                f"Stopped after {progress.seen} of {progress.total}: the same command resumes there,"
                " with --restart it starts again."
            )
            return
        self._report(progress, resumed=kept is not None)

    def _report(self, progress: Progress, *, resumed: bool) -> None:
        self._out.write(f"{progress.moved} payloads will be processed again.")
        if progress.moved and (seconds := (progress.due - utc_now()).total_seconds()) > 1:
            self._out.write(f"They become due within {seconds:.0f} s; --rate sets how many a second.")
        if progress.left:
            self._out.write(
                f"{progress.left} were left: they are new, claimed by a worker, or quarantined (--state quarantined"
                " verifies those again)."
            )
        if resumed:
            self._out.write("Payloads that came after its first start are not included: run it again for those.")

    def verify_again(self) -> None:
        """Admit those whose signature is good now, and those under a used key that are named by receipt."""
        named = bool(self._selection.receipts)
        upper = youngest()
        found = Counter[Verdict]()
        with stop_on_signals() as stop, ProgressBar(self._out, self._selection.count(upper=upper)) as bar:
            for pk in self._each(upper):
                found[quarantine.verify_one(pk, named=named, by=self._by)] += 1
                bar.show(found.total())
                if stop.is_set():
                    break
        self._out.write(
            f"{found[Verdict.ADMITTED]} payloads admitted, {found[Verdict.BAD]} still badly signed,"
            f" {found[Verdict.DUPLICATE]} duplicates left there."
        )
        if stop.is_set():
            self._out.write("Stopped: run it again for the rest.")

    def send(self, target: Target, **options: Any) -> None:
        """Send copies one by one, and change nothing."""
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
