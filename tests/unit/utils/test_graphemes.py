"""No text is cut in the middle of what a reader sees as one character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.utils.graphemes import LONGEST, first, last

#: Each is one character to a reader.
WHOLE = {
    "a flag": "\U0001f1e9\U0001f1ea",
    "a region's flag": "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "a family": "👨\u200d👩\u200d👧\u200d👦",
    "a couple with skin tones": "👩🏽\u200d❤\ufe0f\u200d💋\u200d👩🏿",
    "a skin tone": "👍🏾",
    "a variation selector": "❤\ufe0f",
    "a keycap": "1\ufe0f\u20e3",
    "a combining accent": "e\u0301",
    "many marks": "o" + "\u0308\u0301\u0323" * 3,
    "Devanagari, with a virama": "\u0915\u094d\u0937\u093f",
    "Thai": "\u0e01\u0e33",
    "Hangul in parts": "\u1112\u1161\u11ab",
    "an Arabic number sign": "\u0600\u0661",
    "a line end": "\r\n",
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_one_character_is_kept_or_left_out(name: str) -> None:
    whole = WHOLE[name]
    text = f"ab{whole}{whole}cd"
    starts = {text[:end] for end in (0, 1, 2, 2 + len(whole), 2 + 2 * len(whole), len(text) - 1, len(text))}
    cut = [first(text, longest) for longest in range(len(text) + 1)]
    assert set(cut) == starts
    assert [max((start for start in starts if len(start) <= n), key=len) for n in range(len(text) + 1)] == cut
    ends = {text.removeprefix(start) for start in starts}
    assert {last(text, longest) for longest in range(len(text) + 1)} == ends


@pytest.mark.parametrize(("text", "longest", "cut"), [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcd…!")])
def test_the_mark_counts(text: str, longest: int, cut: str) -> None:
    assert first(text, longest, "…!") == cut


def test_flags_are_counted_from_where_they_begin() -> None:
    flags = WHOLE["a flag"] * 3000
    assert first(flags, 4001) == flags[:4000]
    assert first("x" + flags, 4000) == "x" + flags[:3998]
    assert last(flags, 4001) == flags[:4000]


def test_a_heap_of_marks_cannot_hide_the_rest() -> None:
    heap = "a" + "\u0301" * 10_000
    assert first(heap, 4000) == heap[:4000]
    assert last(heap, 4000) == heap[-4000:]
    assert len(first("x" * 100 + heap, 101 + LONGEST // 2)) == 100


@given(st.text(st.characters() | st.sampled_from("".join(WHOLE.values()))), st.integers(0, 40))
def test_it_is_never_longer_and_always_a_part(text: str, longest: int) -> None:
    start, end = first(text, longest), last(text, longest)
    assert max(len(start), len(end)) <= longest
    assert text.startswith(start)
    assert text.endswith(end)
