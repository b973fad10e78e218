"""Reports a failed unit to the alert channel. systemd starts it: deploy/systemd/proppy-alert@.service."""

import logging
import re
import subprocess
from typing import Any, Final, NamedTuple

from notifications import handlers
from notifications.channels import Channel, make_channel
from notifications.conf import conf
from notifications.events.emit import emit
from notifications.events.event import Event
from notifications.utils import graphemes
from notifications.utils.clean_text import one_line
from notifications.utils.times import utc_now

logger = logging.getLogger(__name__)

#: ExecStopPost= can only pass a name, so it appends result, code and exit status to it.
UNIT: Final = re.compile(
    r"([A-Za-z0-9:_.\\@-]{1,200}\.(?:service|socket|mount|automount|swap|target|path|timer|slice|scope|device))"
    r"(?::([a-z-]*):([a-z]*):([\w+-]*))?",
    re.ASCII,
)
JOURNALD: Final = re.compile(r"systemd-journald(@.*)?\.(service|socket)")
KIND: Final = "unit failure"
LOG_LINES: Final = 10
#: The last characters to send, and seconds for journalctl to find them.
LONGEST_LOG: Final = 4000
LOG_SECONDS: Final = 5


class Failure(NamedTuple):
    """A unit's failure, in systemd's words (man systemd.exec, "$SERVICE_RESULT")."""

    unit: str
    result: str = ""
    code: str = ""
    status: str = ""

    def text(self, host: str) -> str:
        """ "Unit proppy-web@1.service failed on HOST: exit-code, status 1"."""
        verb = {"exited": "status", "killed": "killed by", "dumped": "core dumped by"}.get(self.code, self.code)
        ending = f"{verb} {self.status}".strip() if self.status else ""
        if (self.result, self.code, self.status) == ("exit-code", "exited", "0"):
            ending = "of a command before or after its main one"  # whose own end is all that systemd hands on
        details = ", ".join(one_line(part)[:80] for part in (self.result, ending) if part)
        return f"Unit {self.unit} failed on {host}" + (f": {details}" if details else "")


def failure(name: str, *, result: str = "", code: str = "", status: str = "") -> Failure:
    """Parse a unit's name, or NAME:RESULT:CODE:STATUS. Raises ValueError if the name is invalid."""
    match = UNIT.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not a unit's name, such as proppy-web@1.service")
    unit, *rest = match.groups(default="")
    return Failure(unit, *rest) if any(rest) else Failure(unit, result, code, status)


def alert_channel() -> Channel:
    """A new channel object. Raises LookupError if the setting does not name a channel."""
    if conf.alert_channel not in conf.channels:  # only then: handlers may be broken
        handlers.autodiscover()
    try:
        return make_channel(conf.alert_channel)
    except LookupError:
        raise LookupError(f"NOTIFICATIONS_ALERT_CHANNEL is {conf.alert_channel!r}, not a channel") from None


def cannot_wait(unit: str) -> bool:
    """Whether this unit would have to deliver the report of its own failure."""
    return unit == conf.follower_unit or JOURNALD.fullmatch(unit) is not None


def report(failed: Failure, host: str) -> None:
    """Emit to the journal, like any event."""
    emit(conf.alert_channel, _text(failed, host), **_data(failed))


def event_of(failed: Failure, host: str) -> Event:
    """The event to post without the journal."""
    return Event(conf.alert_channel, _text(failed, host), utc_now(), _data(failed))


def _data(failed: Failure) -> dict[str, Any]:
    return {"kind": KIND, "unit": failed.unit, "alert": True}


def _text(failed: Failure, host: str) -> str:
    log = last_lines(failed.unit) if failed.unit in conf.alert_log_units else ""
    return failed.text(host) + (f"\n{log}" if log else "")


def last_lines(unit: str) -> str:
    """The end of a unit's log; "" if it cannot be read."""
    arguments = [f"--unit={unit}", f"--lines={LOG_LINES}", "--output=cat", "--no-pager", "--quiet"]
    try:
        done = subprocess.run(["journalctl", *arguments], capture_output=True, timeout=LOG_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("The log of %s cannot be read: %s", unit, error)
        return ""
    return graphemes.last(done.stdout.decode("utf-8", "replace").strip(), LONGEST_LOG)
