import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.admin.lists.body_view import (
    LIMIT,
    LONGEST_TABLE,
    MOST_PARTS,
    BodyView,
    hexdump,
    view_body,
    visible,
)
from notifications.admin.lists.json_layout import indent_json

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XX"


def view(body: bytes, content_type: str = "") -> BodyView:
    return view_body(body[:LIMIT], content_type, len(body))


def test_json_is_indented_and_otherwise_left_alone() -> None:
    shown = view(rb'{"a":1.50,"a":1e999,"list":[1,{"b":[]},{}],"text":"\u00e9 {[,:\" "}', "application/json")

    assert shown == BodyView(
        "json",
        r"""{
  "a": 1.50,
  "a": 1e999,
  "list": [
    1,
    {
      "b": []
    },
    {}
  ],
  "text": "\u00e9 {[,:\" "
}""",
    )


@pytest.mark.parametrize("content_type", ["", FORM, "text/plain", "application/octet-stream"])
def test_json_is_known_by_its_first_character_whatever_it_is_called(content_type: str) -> None:
    assert view(b' {"a": 1}', content_type).kind == "json"


@pytest.mark.parametrize("body", [b'{"a": ', b"[" * 50_000, b"{'a': 1}", b"nope"])
def test_what_is_no_json_is_text(body: bytes) -> None:
    assert view(body, "application/vnd.api+json") == BodyView("text", body.decode())


def test_a_bare_value_is_json_only_where_it_is_called_so() -> None:
    assert view(b"12", "application/json").kind == "json"
    assert view(b"12", "text/plain").kind == "text"


def test_json_that_was_cut_is_text() -> None:
    shown = view(b'{"a": "' + b"x" * LIMIT + b'"}', "application/json")

    assert (shown.kind, shown.cut, len(shown.text)) == ("text", True, LIMIT)


def test_deep_json_makes_no_megabytes_of_spaces() -> None:
    body = b"[" * 500 + b"1," * 20_000 + b"1" + b"]" * 500

    assert len(view(body, "application/json").text) < 30 * len(body)


@given(
    st.recursive(
        st.none() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_indented_json_says_the_same(value: object) -> None:
    assert json.loads(indent_json(json.dumps(value))) == value


def test_a_form_is_a_table() -> None:
    shown = view(b"name=Ada+L&&mail=a%40b&name=%3Cscript%3E&empty=&bare&bad=%ff%00", FORM + "; charset=utf-8")

    assert shown.pairs == (
        ("name", "Ada L"),
        ("mail", "a@b"),
        ("name", "<script>"),
        ("empty", ""),
        ("bare", ""),
        ("bad", "\ufffd\\u0000"),
    )
    assert not shown.cut


def test_a_form_of_too_many_fields_is_cut() -> None:
    shown = view(b"a&" * (LONGEST_TABLE + 1), FORM)

    assert (len(shown.pairs), shown.cut) == (LONGEST_TABLE, True)


def test_multipart_is_a_list_of_parts() -> None:
    shown = view(
        b"preamble\r\n--XX\r\n"
        b'Content-Disposition: form-data; name="title"\r\n\r\nS\xc3\xbc\xc3\x9f\r\n--XX\r\n'
        b'content-disposition: form-data; name="photo"; filename="\xe2\x80\xaegnp.<b>"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\r\n--XX\r\n"
        b"\r\nno headers\r\n--XX--\r\nepilogue",
        MULTIPART,
    )

    title, photo, bare = shown.parts
    assert (title.name, title.filename, title.size, title.preview) == ("title", "", 5, "Süß")
    assert (photo.name, photo.filename, photo.content_type) == ("photo", "\\u202egnp.<b>", "image/png")
    assert (photo.size, photo.preview) == (7, hexdump(b"\x89PNG\r\n\x1a"))
    assert [part.binary for part in shown.parts] == [False, True, False]
    assert (bare.name, bare.preview) == ("", "no headers")
    assert all(part.whole for part in shown.parts)
    assert not shown.cut


def test_the_part_that_the_cut_goes_through_is_not_whole() -> None:
    shown = view(b"--XX\r\n\r\nfirst\r\n--XX\r\n\r\n" + b"x" * LIMIT + b"\r\n--XX--\r\n", MULTIPART)

    assert [part.whole for part in shown.parts] == [True, False]
    assert shown.cut


def test_many_parts_are_cut() -> None:
    shown = view(b"--XX\r\n\r\n.\r\n" * (MOST_PARTS + 5) + b"--XX--", MULTIPART)

    assert (len(shown.parts), shown.cut) == (MOST_PARTS, True)


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=other", "multipart/x; boundary*=nope''x"]
)
def test_multipart_without_its_boundary_is_shown_as_what_it_is(content_type: str) -> None:
    assert view(b"--XX\r\n\r\n.\r\n--XX--", content_type).kind == "text"


def test_text_is_utf_8_without_control_characters() -> None:
    assert view("Süß\tx\r\n".encode()) == BodyView("text", "Süß\tx\r\n")
    assert view(b"\xff\xfe").kind == "hex"
    assert view(b"a\0b").kind == "hex"
    assert view(b"\x1b[31m").kind == "hex"
    assert view(b"") == BodyView("empty")


def test_a_character_that_the_cut_goes_through_is_left_out() -> None:
    body = b"x" + "ß".encode() * LIMIT

    assert view(body).text == "x" + "ß" * (LIMIT // 2 - 1)
    assert view(b"x\xc3").kind == "hex"


def test_hex_has_offset_bytes_and_ascii() -> None:
    assert hexdump(b"\x00<b>\x7f\xff 0123456789ABC") == (
        "00000000  00 3c 62 3e 7f ff 20 30 31 32 33 34 35 36 37 38  .<b>.. 012345678\n"
        "00000010  39 41 42 43                                      9ABC"
    )


def test_what_hides_or_reorders_text_is_made_visible() -> None:
    assert visible("a\u202eb\u2066\u200f\u061c\ufeff\0\ud800\U000e0041") == (
        "a\\u202eb\\u2066\\u200f\\u061c\\ufeff\\u0000\\ud800\\U000e0041"
    )
    assert visible("Süß 👩‍💻 שלום\n\t") == "Süß 👩‍💻 שלום\n\t"


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.lists(
        st.sampled_from([b"\r\n", b"--XX", b"--", b":", b"Content-Disposition: x; name=", b'"', b"*=", b"a"])
    ).map(b"".join),
    st.sampled_from([MULTIPART, FORM, "application/json", "", "a;b*=x'y'z"]) | st.text(),
    st.integers(0, 3),
)
def test_no_body_makes_it_fail(body: bytes, content_type: str, missing: int) -> None:
    shown = view_body(body, content_type, len(body) + missing)

    assert shown.cut or not missing
    assert visible(shown.text) == shown.text
