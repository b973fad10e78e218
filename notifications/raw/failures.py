"""What an attempt failed with: the traceback for people, a fingerprint to group it by."""

import hashlib
import linecache
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Final, NamedTuple, Self

from notifications.clean import clean, one_line
from notifications.conf import conf
from notifications.events import emit

#: Characters that are kept.
LONGEST_TEXT: Final = 64 * 1024
LONGEST_TITLE: Final = 300
#: Code that is not one's own, besides this engine: the standard library, what pip installs, what is made at run time.
LIBRARIES: Final = (*{sysconfig.get_path(name) + "/" for name in ("stdlib", "platstdlib", "purelib", "platlib")}, "<")
PACKAGES: Final = ("/site-packages/", "/dist-packages/")
ENGINE: Final = __name__.partition(".")[0]

Frames = list[tuple[FrameType, int]]
Choose = Callable[[Frames], tuple[FrameType, int] | None]


class Failure(NamedTuple):
    """`title`: type and message of the exception. `place`: "app/handlers.py:41, count_payment", or "". `text`: all."""

    title: str
    place: str
    fingerprint: str
    text: str

    @classmethod
    def of(cls, error: BaseException, *, text: str = "") -> Self:
        """The failure of what a handler raised; `text` instead of the traceback, where one says more."""
        first = _first(error)
        frames = list(traceback.walk_tb(first.__traceback__))
        kind = f"{type(first).__module__}.{type(first).__qualname__}"
        text = text or _traceback(error)
        return cls._of(_title(first), kind, frames, text, _entry if isinstance(first, RecursionError) else _innermost)

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
    def _of(cls, title: str, kind: str, frames: Frames, text: str, choose: "Choose | None" = None) -> Self:
        place, parts = "", [kind]
        if found := (choose or _innermost)(_own(frames)):
            frame, line = found
            code = frame.f_code
            place = f"{'/'.join(Path(code.co_filename).parts[-2:])}:{line}, {code.co_name}"
            # By module and source line: neither a release in another folder nor an edit above makes a new group.
            source = linecache.getline(code.co_filename, line, frame.f_globals).strip() or str(line)
            parts += [_module(frame), code.co_qualname, source]
        fingerprint = hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
        return cls(title, place, fingerprint, _shortened(text))

    def cleaned(self) -> Self:
        """As every database takes it."""
        return self._replace(title=clean(self.title), place=clean(self.place), text=clean(self.text))

    def __str__(self) -> str:
        """One line for logs: what and where."""
        return one_line(f"{self.title} ({self.place})" if self.place else self.title)

    @property
    def reason(self) -> str:
        """The last line of the text."""
        return self.text.strip().rpartition("\n")[2][:LONGEST_TITLE]

    @property
    def kind(self) -> str:
        """The title without the message, which may hold what was sent to us: fit for the journal."""
        return self.title.partition(":")[0]


def tell_new_failure(source: str, failure: Failure) -> None:
    """One event for each new kind of failure. Not its message: operators read the journal, and it may quote a body."""
    where = f" ({failure.place})" if failure.place else ""
    emit(conf.alert_channel, f"{source} fails in a new way: {failure.kind}{where}", kind="new failure", source=source)


def message_of(error: BaseException) -> str:
    """`str()` of an exception, whatever its class does."""
    try:
        return str(error).strip()
    except Exception:  # noqa: BLE001  somebody's __str__
        return "(its text cannot be made)"


def _first(error: BaseException) -> BaseException:
    """The first exception of a group: "unhandled errors in a TaskGroup" is no kind of failure."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _title(error: BaseException) -> str:
    message, name = message_of(error).partition("\n")[0], type(error).__name__
    return f"{name}: {message}"[:LONGEST_TITLE] if message else name


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as problem:  # noqa: BLE001  attributes of somebody's class
        return f"(its traceback cannot be made: {type(problem).__name__})\n{_title(error)}"


def _own(frames: Frames) -> Frames:
    """Those of one's own code. Where all of it is installed by pip: of the package that the engine has called.

    Where there is none of that either, those of libraries; the engine's own never.
    """
    frames = [(frame, line) for frame, line in frames if _module(frame).partition(".")[0] != ENGINE]
    if own := [(frame, line) for frame, line in frames if not _is_library(frame.f_code)]:
        return own
    packages = [_module(frame).partition(".")[0] for frame, _ in frames if _is_installed(frame.f_code)]
    return [each for each in frames if packages and _module(each[0]).partition(".")[0] == packages[0]] or frames


def _innermost(frames: Frames) -> tuple[FrameType, int] | None:
    return frames[-1] if frames else None


def _entry(frames: Frames) -> tuple[FrameType, int] | None:
    """Where a recursion begins: at which of its calls the stack is full is chance."""
    codes = [frame.f_code for frame, _ in frames]
    return next((each for each, code in zip(frames, codes, strict=True) if codes.count(code) > 1), _innermost(frames))


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _is_installed(code: CodeType) -> bool:
    return any(part in code.co_filename for part in PACKAGES)


def _is_library(code: CodeType) -> bool:
    return code.co_filename.startswith(LIBRARIES) or _is_installed(code)


def _shortened(text: str) -> str:
    """Its start says where and what, its end is what a handler's message ends with."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[: LONGEST_TEXT // 2]}\n[…]\n{text[-LONGEST_TEXT // 2 :]}"


WORKER_DIED: Final = Failure.without_place("The worker died or was stopped hard while it handled this.")
DATABASE_LEFT: Final = Failure.without_place("The database went away while this was handled.")
