"""Which lines a chart has, and what they are called."""

from notifications.admin.status.lines import LETTERS, by_label


def test_no_two_lines_have_the_same_letter() -> None:
    labels = [f"s{number:02}" for number in range(25)]
    lines, more = by_label(labels, lambda label: [9 if label in {"s02", "s12", "s22"} else 1])
    assert [line.name for line in lines] == ["s00", "s01", "s02", "s12", "s22"]
    assert "".join(line.letter for line in lines) == "ABCDE"
    assert more == 20


def test_a_label_keeps_its_letter_in_the_next_chart_while_there_are_enough() -> None:
    labels = [f"s{number}" for number in range(len(LETTERS))]
    lines, _ = by_label(labels, lambda label: [int(label[1:])])
    assert "".join(line.letter for line in lines) == "FGHIJ"
