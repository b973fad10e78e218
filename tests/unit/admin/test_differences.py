"""Two texts side by side: all that differs is marked, in bounded time."""

from hypothesis import given
from hypothesis import strategies as st

from notifications.admin.failures.differences import CONTEXT, LONGEST, MOST_LINES, Row, Text, compared

LINES = st.lists(st.text(st.sampled_from("ab"), max_size=4), max_size=12)


def joined(text: Text | None) -> list[str]:
    return [] if text is None else ["".join(text)]


@given(LINES, LINES)
def test_no_line_is_left_out_but_equal_ones(left: list[str], right: list[str]) -> None:
    rows = compared(left, right)
    for side, lines in (("left", left), ("right", right)):
        shown = [line for row in rows for line in joined(getattr(row, side))]
        skipped = sum(row.skipped for row in rows)
        assert len(shown) + skipped == len(lines)
        if not skipped:
            assert shown == lines
    for row in rows:
        if row.kind == "same":
            assert row.left == row.right
        elif row.kind == "changed":
            assert row.left
            assert row.right
            assert (row.left.start, row.left.end) == (row.right.start, row.right.end)
            assert row.left.differs != row.right.differs


def test_long_equal_parts_are_a_gap() -> None:
    same = [str(number) for number in range(20)]
    rows = compared(["x", *same, "y"], ["a", *same, "b"])
    assert [row.kind for row in rows] == ["changed", *["same"] * CONTEXT, "gap", *["same"] * CONTEXT, "changed"]
    assert rows[CONTEXT + 1].skipped == 20 - 2 * CONTEXT


def test_the_middle_of_a_line_is_marked() -> None:
    assert compared(['"price": 1'], ['"prize": 1']) == [
        Row("changed", Text('"pri', "c", 'e": 1'), Text('"pri', "z", 'e": 1'))
    ]


def test_of_a_line_that_one_alone_has_the_indentation_is_not_marked() -> None:
    assert compared(["a", '  "b": 1'], ["a"])[1:] == [Row("left", Text("  ", '"b": 1'), None)]
    assert compared(["a"], ["a", "  "])[1:] == [Row("right", None, Text("  ", ""))]


def test_much_is_cut() -> None:
    lines = ["x" * (2 * LONGEST)] * (MOST_LINES + 7)
    rows = compared(lines, ["y"])
    assert len(rows) == MOST_LINES + 1
    assert (rows[-1].kind, rows[-1].skipped) == ("cut", 7)
    assert all(len(line) == LONGEST + 1 for row in rows for line in joined(row.left))
