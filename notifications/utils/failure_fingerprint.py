"""A failed attempt: its traceback for people, and a fingerprint for its failure group."""

import hashlib
import linecache
import sysconfig
import traceback
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Final, NamedTuple, Self

from notifications.utils import graphemes
from notifications.utils.clean_text import clean, one_line

#: The most characters to store.
LONGEST_TEXT: Final = 64 * 1024
LONGEST_TITLE: Final = 300
#: The most frames of the project's code to store.
MOST_FRAMES: Final = 10
#: Paths of code that is not the project's: the standard library, packages of pip, code made at run time ("<string>").
LIBRARIES: Final = (*{sysconfig.get_path(name) + "/" for name in ("stdlib", "platstdlib", "purelib", "platlib")}, "<")
PACKAGES: Final = ("/site-packages/", "/dist-packages/")
ENGINE: Final = __name__.partition(".")[0]
Frames = list[tuple[FrameType, int]]
Choose = Callable[[Frames], tuple[FrameType, int] | None]


class Failure(NamedTuple):
    """`title`: the exception's type and message. `place`: "app/handlers.py:41, count_payment", or "".

    `text`: the traceback, or a message that says more. `frames`: two lines for each frame of the project's own code,
    innermost first: the place, and the source line.
    """

    title: str
    place: str
    fingerprint: str
    text: str
    frames: str = ""

    @classmethod
    def of(cls, error: BaseException, *, text: str = "") -> Self:
        """The failure of a handler's exception; `text` replaces the traceback."""
        first = _first_of_group(error)
        frames = list(traceback.walk_tb(first.__traceback__))
        kind = f"{type(first).__module__}.{type(first).__qualname__}"
        text = text or _traceback(error)
        choose = _recursion_entry if isinstance(first, RecursionError) else _innermost
        return cls._of(_title(first), kind, frames, text, choose)

    @classmethod
    def of_frame(cls, title: str, frame: FrameType) -> Self:
        """The failure of code that hangs in `frame`."""
        stack = "".join(traceback.format_stack(frame))
        return cls._of(title, title, list(traceback.walk_stack(frame))[::-1], f"{stack}{title}")

    @classmethod
    def without_place(cls, title: str) -> Self:
        """A failure at an unknown place."""
        return cls._of(title, title, [], title)

    @classmethod
    def _of(cls, title: str, kind: str, frames: Frames, text: str, choose: "Choose | None" = None) -> Self:
        place, parts = "", [kind]
        own = _own_frames(frames)
        if found := (choose or _innermost)(own):
            frame, line = found
            place = _place(frame, line)
            # By module and source line: neither a release in another folder nor an edit above makes a new group.
            parts += [_module(frame), frame.f_code.co_qualname, _source_line(frame, line) or str(line)]
        fingerprint = hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
        return cls(title, place, fingerprint, shortened(text), _described(own))

    def cleaned(self) -> Self:
        """Without characters that a database refuses."""
        title, place, text, frames = map(clean, (self.title, self.place, self.text, self.frames))
        return self._replace(title=title, place=place, text=text, frames=frames)

    def __str__(self) -> str:
        """One line for logs: what and where."""
        return one_line(f"{self.title} ({self.place})" if self.place else self.title)

    @property
    def reason(self) -> str:
        """The last line of the text."""
        return graphemes.first(self.text.strip().rpartition("\n")[2], LONGEST_TITLE)

    @property
    def kind(self) -> str:
        """The title without the message, which may quote a body: fit for the journal."""
        return self.title.partition(":")[0]


def message_of(error: BaseException) -> str:
    """`str()` of an exception, even if its __str__ raises."""
    try:
        return str(error).strip()
    except Exception:  # noqa: BLE001  a bug in the exception's class
        return "(its text cannot be made)"


def _first_of_group(error: BaseException) -> BaseException:
    """The first exception of a group: "unhandled errors in a TaskGroup" says nothing."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _title(error: BaseException) -> str:
    message, name = message_of(error).partition("\n")[0], type(error).__name__
    return graphemes.first(f"{name}: {message}", LONGEST_TITLE) if message else name


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as problem:  # noqa: BLE001  a bug in the exception's class
        return f"(its traceback cannot be made: {type(problem).__name__})\n{_title(error)}"


def _own_frames(frames: Frames) -> Frames:
    """The frames of the project's code; without any, of the installed package that the engine called.

    Without that either, of libraries. Never the engine's.
    """
    frames = [(frame, line) for frame, line in frames if _module(frame).partition(".")[0] != ENGINE]
    if own := [(frame, line) for frame, line in frames if not _is_library(frame.f_code)]:
        return own
    packages = [_module(frame).partition(".")[0] for frame, _ in frames if _is_installed(frame.f_code)]
    return [each for each in frames if packages and _module(each[0]).partition(".")[0] == packages[0]] or frames


def _innermost(frames: Frames) -> tuple[FrameType, int] | None:
    return frames[-1] if frames else None


def _recursion_entry(frames: Frames) -> tuple[FrameType, int] | None:
    """The first call of a recursion: the last one, which fills the stack, differs each time."""
    codes = [frame.f_code for frame, _ in frames]
    return next((each for each, code in zip(frames, codes, strict=True) if codes.count(code) > 1), _innermost(frames))


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _is_installed(code: CodeType) -> bool:
    return any(part in code.co_filename for part in PACKAGES)


def _is_library(code: CodeType) -> bool:
    return code.co_filename.startswith(LIBRARIES) or _is_installed(code)


def _place(frame: FrameType, line: int) -> str:
    code = frame.f_code
    return f"{'/'.join(Path(code.co_filename).parts[-2:])}:{line}, {code.co_name}"


def _source_line(frame: FrameType, line: int) -> str:
    return linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()


def _described(frames: Frames) -> str:
    lines = (f"{_place(*each)}\n    {graphemes.first(_source_line(*each), LONGEST_TITLE)}" for each in frames[::-1])
    return "\n".join(islice(lines, MOST_FRAMES))


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text without its middle, if it has more characters than `longest` or so: the end has the message."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{graphemes.first(text, half)}\n[…]\n{graphemes.last(text, half)}"


WORKER_DIED: Final = Failure.without_place("The worker died or was stopped hard while it handled this.")
CONFLICT: Final = Failure.without_place("A conflict with another transaction, while what became of this was recorded.")
DATABASE_LEFT: Final = Failure.without_place("The database went away while this was handled.")
