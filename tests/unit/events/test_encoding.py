from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.events.encoding import CUT_MARK, MAX_BYTES, cut, event_of, text_event_of
from notifications.events.event import NAME, Event
from notifications.journal import Entry
from tests.support.entry_strategies import DATA, MESSAGES, NAMES, VALUES

UID: Final = 1234
TRUSTED: Final = frozenset({UID})
GOOD: Final = {"MESSAGE": "SLACK: Ada signed up", "PROPPY_EVENT": "SLACK", "_UID": str(UID)}
ABSENT: Final = object()


def entry(**fields: object) -> Entry:
    return Entry("1", 1_700_000_000_000_000, {name: value for name, value in fields.items() if value is not ABSENT})


def good(**changes: object) -> Entry:
    return entry(**{**GOOD, **changes})


def parse(parsed: Entry) -> Event | None:
    return event_of(parsed, TRUSTED)


def test_an_event() -> None:
    event = parse(good(PROPPY_ID="ab:7", PROPPY_DATA='{"user": 7}'))
    assert event is not None
    assert (event.name, event.text, event.id, event.data) == ("SLACK", "Ada signed up", "ab:7", {"user": 7})
    assert event.author_known
    assert event.time.isoformat() == "2023-11-14T22:13:20+00:00"


@pytest.mark.parametrize(
    "uid",
    [
        ABSENT,
        None,
        "",
        "1235",
        "01 234",
        "-1",
        "1234\n",
        "١٢٣٤",
        [str(UID)],
        [49, 50, 51, 52],
        UID,
        True,
        {},
        "9" * 5000,
    ],
)
def test_only_the_uid_that_the_journal_names_is_trusted(uid: object) -> None:
    assert parse(good(_UID=uid)) is None


def test_a_sender_cannot_name_its_own_uid() -> None:
    assert parse(good(_UID="1000", UID=str(UID), PROPPY_UID=str(UID), _UID_=str(UID))) is None


@pytest.mark.parametrize("offset", range(5))
@pytest.mark.parametrize("character", ["x", "é", "😀", "🇩🇪", "👨\u200d👩\u200d👧", "e\u0301", "\ud800"])
def test_what_is_too_long_is_cut_between_characters(character: str, offset: int) -> None:
    text = cut("." * offset + character * (MAX_BYTES + 1))
    kept = text.removesuffix(CUT_MARK)
    assert kept != text
    assert set(kept.lstrip(".").split(character)) == {""}
    assert MAX_BYTES - 30 < len(text.encode("utf-8", "surrogatepass")) <= MAX_BYTES


@pytest.mark.parametrize(
    "name", [ABSENT, None, "", "slack", "SLACK ", "SLACK\n", "9A", "A" * 33, ["SLACK"], ["SLACK", "SLACK"], 7]
)
def test_what_is_no_name_is_no_event(name: object) -> None:
    assert parse(good(PROPPY_EVENT=name)) is None


@pytest.mark.parametrize(
    "message",
    [
        ABSENT,
        None,
        "",
        "SLACK",
        "SLACK:",
        "SLACK:x",
        "OPS: x",
        " SLACK: x",
        "slack: x",
        {},
        7,
        [],
        [[]],
        ["OPS: x", "SLACK: x"],
    ],
)
def test_a_message_must_begin_with_its_name(message: object) -> None:
    assert parse(good(MESSAGE=message)) is None


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("SLACK: ", ""),
        ("SLACK: a\nPROPPY_EVENT=OPS\n", "a\nPROPPY_EVENT=OPS\n"),
        (list(b"SLACK: a\x00\x1b[31m"), "a\x00\x1b[31m"),
        (list("SLACK: \ud800".encode("utf-8", "surrogatepass")), "\ud800"),
        (list(b"SLACK: \xff\xfe"), "\udcff\udcfe"),
        (["SLACK: first", "SLACK: second"], "first"),
        ([list(b"SLACK: first"), "x"], "first"),
    ],
)
def test_each_shape_of_a_message(message: object, text: str) -> None:
    event = parse(good(MESSAGE=message))
    assert event is not None
    assert event.text == text


@pytest.mark.parametrize("data", [ABSENT, None, "", "{", "7", "[]", '"x"', "[" * 100_000, "1" * 5000, {}, 7, [255]])
def test_data_that_is_no_object_is_empty(data: object) -> None:
    event = parse(good(PROPPY_DATA=data))
    assert event is not None
    assert event.data == {}


def test_a_plain_line_has_no_known_author() -> None:
    event = text_event_of(entry(MESSAGE="SLACK: disk full", _UID=str(UID)))
    assert event is not None
    assert (event.name, event.text, event.id, event.data) == ("SLACK", "disk full", "", {})
    assert not event.author_known


@pytest.mark.parametrize(
    "message", ["WARNING x: SLACK: a", "slack: a", "SLACK:a", "SLACK (console): a", "x\nSLACK: a", None]
)
def test_other_lines_are_no_events(message: object) -> None:
    assert text_event_of(entry(MESSAGE=message)) is None


@pytest.mark.parametrize("name", ["SLACK", None, "", []])
def test_what_claims_to_be_an_event_is_no_plain_line(name: object) -> None:
    assert text_event_of(good(PROPPY_EVENT=name, _UID="999")) is None


def test_a_long_plain_line_is_cut() -> None:
    event = text_event_of(entry(MESSAGE="SLACK: " + "é" * MAX_BYTES))
    assert event is not None
    assert event.text.endswith("é" + CUT_MARK)
    assert len(event.text.encode()) <= MAX_BYTES


UIDS = st.sampled_from([str(UID), "0", [str(UID)], UID]) | VALUES
ENTRIES = st.builds(
    Entry,
    position=st.text(),
    time_us=st.integers(),
    fields=st.fixed_dictionaries(
        {},
        optional={"MESSAGE": MESSAGES, "PROPPY_EVENT": NAMES, "PROPPY_DATA": DATA, "PROPPY_ID": VALUES, "_UID": UIDS},
    ),
)


def check(event: Event | None, fields: Any) -> None:
    if event is not None:
        assert NAME.fullmatch(event.name)
        assert isinstance(event.text, str)
        assert isinstance(event.id, str)
        assert isinstance(event.data, dict)
        assert event.author_known is ("PROPPY_EVENT" in fields)


@given(ENTRIES)
def test_any_entry_is_an_event_of_a_trusted_user_or_none(drawn: Entry) -> None:
    event = parse(drawn)
    check(event, drawn.fields)
    if event is not None:
        assert drawn.fields["_UID"] == str(UID)
        assert drawn.fields["PROPPY_EVENT"] == event.name


@given(ENTRIES)
def test_any_entry_is_a_plain_line_or_none(drawn: Entry) -> None:
    check(text_event_of(drawn), drawn.fields)
