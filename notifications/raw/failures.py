"""What an attempt failed with: the traceback for people, a fingerprint to group it by."""

import hashlib
import linecache
import sysconfig
import traceback
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple, Self

from notifications.clean import clean
from notifications.conf import conf
from notifications.events import emit

#: Characters that are kept.
LONGEST_TEXT: Final = 64 * 1024
LONGEST_TITLE: Final = 300
#: Code that is not one's own: the standard library, what pip installs, and this engine.
LIBRARIES: Final = tuple(
    {sysconfig.get_path(name) + "/" for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {str(Path(__file__).resolve().parent.parent) + "/"}
)


class Failure(NamedTuple):
    """`title`: type and message of the exception. `place`: "app/handlers.py:41, count_payment", or "". `text`: all."""

    title: str
    place: str
    fingerprint: str
    text: str

    @classmethod
    def of(cls, error: BaseException, *, text: str = "") -> Self:
        """The failure of what a handler raised; `text` instead of the traceback, where one says more."""
        frames = list(traceback.walk_tb(error.__traceback__))
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        text = text or "".join(traceback.format_exception(error))
        return cls._of(_title(error), kind, frames, text)

    @classmethod
    def of_frame(cls, title: str, frame: FrameType) -> Self:
        """The failure of code that hangs, or was left, in `frame`."""
        stack = "".join(traceback.format_stack(frame))
        return cls._of(title, title, list(traceback.walk_stack(frame))[::-1], f"{stack}{title}")

    @classmethod
    def without_place(cls, title: str) -> Self:
        """A failure of which nobody knows where it happened."""
        return cls._of(title, title, [], title)

    @classmethod
    def _of(cls, title: str, kind: str, frames: list[tuple[FrameType, int]], text: str) -> Self:
        own = [(frame, line) for frame, line in frames if not frame.f_code.co_filename.startswith(LIBRARIES)]
        place, parts = "", [kind]
        if found := (own or frames):
            frame, line = found[-1]
            code = frame.f_code
            place = f"{'/'.join(Path(code.co_filename).parts[-2:])}:{line}, {code.co_name}"
            # By module and source line: neither a release in another folder nor an edit above makes a new group.
            source = linecache.getline(code.co_filename, line, frame.f_globals).strip() or str(line)
            parts += [str(frame.f_globals.get("__name__")), code.co_qualname, source]
        fingerprint = hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
        return cls(title, place, fingerprint, _shortened(text))

    def cleaned(self) -> Self:
        """As every database takes it."""
        return self._replace(title=clean(self.title), place=clean(self.place), text=clean(self.text))

    @property
    def reason(self) -> str:
        """The last line of the text, for logs."""
        return self.text.strip().rpartition("\n")[2][:LONGEST_TITLE]

    @property
    def kind(self) -> str:
        """The title without the message, which may hold what was sent to us: fit for the journal."""
        return self.title.partition(":")[0]


def tell_new_failure(source: str, failure: Failure) -> None:
    """One event for each new kind of failure. Not its message: operators read the journal, and it may quote a body."""
    where = f" ({failure.place})" if failure.place else ""
    emit(conf.alert_channel, f"{source} fails in a new way: {failure.kind}{where}", kind="new failure", source=source)


def _title(error: BaseException) -> str:
    try:
        message = str(error).strip().partition("\n")[0]
    except Exception:  # noqa: BLE001  somebody's __str__
        message = "(its text cannot be made)"
    return f"{type(error).__name__}: {message}"[:LONGEST_TITLE] if message else type(error).__name__


def _shortened(text: str) -> str:
    """Its start says where and what, its end is what a handler's message ends with."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[: LONGEST_TEXT // 2]}\n[…]\n{text[-LONGEST_TEXT // 2 :]}"


WORKER_DIED: Final = Failure.without_place("The worker died or was stopped hard while it handled this.")
