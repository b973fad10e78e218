"""What of a text reaches Slack."""

import re
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notifications.channels.slack.text import CUT, LONGEST, REMOVED, UNKNOWN_AUTHOR, console_line, message
from notifications.events.event import Event
from notifications.follow_journal.digest import Digest

ANY_TEXT: Final = st.text(st.characters(exclude_categories=[]) | st.sampled_from("&<>;amplgt!@# \n\r\u202e\ud800"))
ESCAPE: Final = re.compile("&(?:amp|lt|gt);")


def event(text: str, **changes: Any) -> Event:
    return Event("SLACK", text, datetime(2026, 5, 1, tzinfo=UTC), **changes)


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;"),
        ("<https://evil.example|your bank>", "&lt;https://evil.example|your bank&gt;"),
        ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"),
        ("a & b", "a &amp; b"),
        ("a\n\tb é 👩‍🚀", "a\n\tb é 👩‍🚀"),
        ("a\0b\x1b[31mc\x7fd\x9be", "ab[31mcde"),
        ("\ud800a\udfff", "a"),
        ("\u202egnp.\u202c \u2066a\u2069 \u200eb\u200f\u061c", "gnp. a b"),
        ("a\r\nb\rc\x0bd\x0ce\u2028f\u2029g\x85h", "a\nb\nc\nd\ne\nf\ng\nh"),
        ("", ""),
    ],
)
def test_text_is_made_harmless(text: str, told: str) -> None:
    assert message(event(text)) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<!channel>", "(unknown author) &lt;!channel&gt;"),
        ("a\nAda signed up", "(unknown author) a Ada signed up"),
        ("a\u2028b\x85c\x0bd\r\ne", "(unknown author) a b c d e"),
        ("a" + " \u3000\u00a0" * 99 + "Ada signed up", "(unknown author) a Ada signed up"),
        ("\u202e\0", "(unknown author) "),
    ],
)
def test_what_anybody_may_have_written_is_one_line_that_says_so(text: str, told: str) -> None:
    assert message(event(text, author_known=False)) == told


@given(ANY_TEXT, st.booleans())
@example("&" * 65536, True)
@example("😀" * 500_000, False)
def test_any_text_gives_a_message(text: str, known: bool) -> None:
    told = message(event(text, author_known=known))
    assert len(told) <= LONGEST
    assert not set("<>&") & set(ESCAPE.sub("", told))
    assert not REMOVED.search(told)
    told.encode()
    assert "\n".join(told.splitlines()) == told.removesuffix("\n")
    if not known:
        assert told.startswith(UNKNOWN_AUTHOR)
        assert "\n" not in told


@given(st.text(st.sampled_from("&<>;amp!x"), max_size=500))
def test_short_text_arrives_whole(text: str) -> None:
    assert unescaped(message(event(text))) == text


@pytest.mark.parametrize("offset", range(6))
@pytest.mark.parametrize("character", ["x", "é", "&", "<", "😀"])
def test_long_text_is_cut_where_no_escape_is(character: str, offset: int) -> None:
    text = message(event("." * offset + character * 65536))
    kept = text.removesuffix(CUT)
    assert kept != text
    assert set(unescaped(kept).lstrip(".")) == {character}
    assert LONGEST - 5 < len(text) <= LONGEST


@pytest.mark.parametrize("offset", range(3))
@pytest.mark.parametrize("character", ["🇩🇪", "👨\u200d👩\u200d👧", "👍🏾", "e\u0301", "&\u0301"])
def test_what_is_one_character_to_a_reader_is_not_cut_in_half(character: str, offset: int) -> None:
    kept = message(event("." * offset + character * 4000)).removesuffix(CUT)
    assert set(unescaped(kept).lstrip(".").split(character)) == {""}
    assert LONGEST - 20 < len(kept) <= LONGEST


def test_a_text_of_just_the_limit_is_whole() -> None:
    assert message(event("x" * LONGEST)) == "x" * LONGEST


def test_a_digest_keeps_its_lines() -> None:
    digest = Digest()
    for number in range(20):
        digest.add(event(f"Ada & <b>\n{number}", author_known=number != 1, data={"kind": "sign-up"}))
    made = digest.event("SLACK")
    told = message(made)
    assert unescaped(told) == made.text
    assert len(told.splitlines()) == 8
    assert "(unknown author) Ada &amp; &lt;b&gt; 1" in told


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "\x9b31m", "\u202egnp", "\0", "\ud800"])
def test_control_characters_do_nothing_on_the_console(text: str) -> None:
    line = console_line(event(text))
    assert line.isprintable()
    assert "\N{REPLACEMENT CHARACTER}" in line


def test_the_console_says_what_anybody_may_have_written() -> None:
    assert console_line(event("a\nb", author_known=False)) == "(unknown author) a b"
