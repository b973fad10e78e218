"""Cuts text where a reader sees the end of a character: no flag, family emoji or accented letter is cut in half.

The rules are those of Unicode (UAX #29), a little more careful: where those leave a choice, nothing is cut.
"""

import unicodedata
from typing import Final

#: A visible character has a dozen code points at most. A longer heap of marks is cut anywhere.
LONGEST: Final = 64
ZERO_WIDTH_JOINER: Final = "\u200d"
MARKS: Final = frozenset({"Mn", "Mc", "Me"})
#: These continue a character, though Unicode does not call them marks: joiners, Thai and Lao AM, halfwidth voice marks.
CONTINUING: Final = frozenset("\u200c\u200d\u0e33\u0eb3\uff9e\uff9f")
VIRAMA: Final = 9
#: Arabic, Syriac, Kaithi … signs that are written around what follows (Grapheme_Cluster_Break=Prepend).
PREFIXES: Final = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd\U000111c2\U000111c3"
    "\U0001193f\U00011941\U00011a3a\U00011a84\U00011a85\U00011a86\U00011a87\U00011a88\U00011a89\U00011d46\U00011f02"
)


def first(text: str, longest: int, mark: str = "") -> str:
    """The first characters of a text, and `mark` if any are missing: together at most `longest` code points."""
    if len(text) <= longest:
        return text
    end = longest - len(mark)
    ends = range(end, max(end - LONGEST, 0), -1)
    return text[: next((at for at in ends if _is_end(text, at)), end if end > LONGEST else 0)] + mark


def last(text: str, longest: int) -> str:
    """The last characters of a text: at most `longest` code points."""
    if len(text) <= longest:
        return text
    begin = len(text) - longest
    ends = range(begin, min(begin + LONGEST, len(text)))
    return text[next((at for at in ends if _is_end(text, at)), begin if longest > LONGEST else len(text)) :]


def _is_end(text: str, at: int) -> bool:
    """Whether a character ends before the code point at this index, which is neither the first nor past the end."""
    before, after = text[at - 1], text[at]
    if before.isascii() and after.isascii():
        return (before, after) != ("\r", "\n")
    if _is_regional(before) and _is_regional(after):  # two of them are a flag
        begin = at
        while begin and _is_regional(text[begin - 1]):
            begin -= 1
        return (at - begin) % 2 == 0
    return not (_continues(after) or _wants_more(before, after))


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _continues(char: str) -> bool:
    """Marks, variation selectors, skin tones, the tags of a region's flag, and the second and third jamo of Hangul."""
    return (
        unicodedata.category(char) in MARKS
        or char in CONTINUING
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
        or "\u1160" <= char <= "\u11ff"
        or "\ud7b0" <= char <= "\ud7fb"
    )


def _wants_more(before: str, after: str) -> bool:
    """Whether the next code point belongs to it: after a joiner, a virama, a first jamo or a prefix."""
    if before == ZERO_WIDTH_JOINER or unicodedata.combining(before) == VIRAMA:
        return not after.isspace()
    if "\u1100" <= before <= "\u115f" or "\ua960" <= before <= "\ua97c":
        return "\u1100" <= after <= "\u115f" or "\ua960" <= after <= "\ua97c" or "\uac00" <= after <= "\ud7a3"
    return before in PREFIXES
