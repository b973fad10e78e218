"""Runs examinations one after another, each in a thread: a name server or a library may hang without a limit."""

import threading
import time
from typing import Final, NamedTuple

from django.db import connections

from notifications.doctor.masking import Mask
from notifications.doctor.registry import Examination
from notifications.utils.clean_text import one_line
from notifications.utils.finding import Finding, failed, unknown

#: Seconds for one examination.
LONGEST: Final = 5.0
TOO_LATE: Final = "Is its address right, and does it run? A firewall on the way may swallow what is sent."
NO_FINDING: Final = "Have it yield a finding."


class Answer(NamedTuple):
    """A finding of an examination, and the seconds that this took."""

    name: str
    finding: Finding
    seconds: float


class Doctor:
    """Examines. `close()` waits for what was too late, or was interrupted: it may have something to clean up."""

    def __init__(self) -> None:
        self._mask = Mask()
        #: Set when they end. Not their threads: a join() that is interrupted takes its thread for ended.
        self._running: list[threading.Event] = []

    def examine(self, examination: Examination) -> list[Answer]:
        """All its findings: one line each, without secrets. Raises nothing of what the examination raises."""
        started, found, ended = time.monotonic(), list[Finding](), threading.Event()
        self._running.append(ended)
        threading.Thread(target=_look, args=(examination, found, ended), name=examination.name, daemon=True).start()
        if not (is_late := not ended.wait(LONGEST)):
            self._running.remove(ended)
        seconds = time.monotonic() - started
        findings = [*found, *([failed(f"no answer within {LONGEST:g} s", TOO_LATE)] if is_late else ())]
        if not findings:
            findings.append(unknown("nothing was found out", NO_FINDING))
        return [Answer(examination.name, self._clean(finding), seconds) for finding in findings]

    def close(self) -> None:
        """Wait for those that still run, together as long as for one."""
        until = time.monotonic() + LONGEST
        for ended in self._running:
            ended.wait(max(0.0, until - time.monotonic()))

    def _clean(self, finding: Finding) -> Finding:
        text, advice = (self._mask(one_line(each)) for each in (finding.text, finding.advice))
        return finding._replace(text=text, advice=advice)


def _look(examination: Examination, found: list[Finding], ended: threading.Event) -> None:
    try:
        found.extend(examination.look())  # one by one: what was found before it hangs is shown
    except Exception as error:  # noqa: BLE001  of a library, or a project's own examination
        text = f"the examination itself failed: {type(error).__name__}: {error}"
        found.append(unknown(text, "Mend what it says; if the examination is the engine's, please report it as a bug."))
    finally:
        connections.close_all()  # of this thread
        ended.set()
