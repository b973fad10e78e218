"""Prometheus' text format, read by the parser of its own client library."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from notifications.utils.histogram import BOUNDS, bucket_of
from notifications.utils.prometheus_text import Family, histogram, page, sample

GAUGE = {"x": Family("gauge", "Some number.", ("a", "b"))}


def read(text: str) -> list[tuple[str, dict[str, str], float]]:
    """Name, labels and value of each sample."""
    return [
        (each.name, each.labels, each.value)
        for family in text_string_to_metric_families(text)
        for each in family.samples
    ]


def shown(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


@given(st.text(st.characters(exclude_categories=())))
def test_any_label_is_read_as_it_was_written_or_has_a_mark_for_what_nobody_sees(value: str) -> None:
    text = page(GAUGE, [sample("x", 1, a=value, b="after it"), sample("x", 2, a="next", b="")])
    text.encode()
    assert read(text) == [
        ("x", {"a": shown(value), "b": "after it"}, 1),
        ("x", {"a": "next", "b": ""}, 2),
    ]
    assert len(text.splitlines()) == text.count("\n") == 4


def test_labels_that_try_to_be_lines() -> None:
    hostile = '"} 1\nproppy_database_up 1\n# \\n\\u001b\x1b[31m\0\r'
    text = page(GAUGE, [sample("x", 1, a=hostile)])
    assert text.splitlines()[2:] == [
        r'x{a="\"} 1\nproppy_database_up 1\n# \\n\\u001b' + '\ufffd[31m\ufffd\ufffd"} 1',
    ]


def test_a_family_is_in_one_piece_with_help_and_type_first_and_without_samples_it_is_not_there() -> None:
    families = {
        "one": Family("gauge", "The one."),
        "none": Family("gauge", "None."),
        "two_total": Family("counter", "Two."),
    }
    samples = [sample("two_total", 2, a="1"), sample("one", 1), sample("two_total", 3, a="2"), sample("one", 1)]
    assert page(families, samples) == (
        "# HELP one The one.\n# TYPE one gauge\none 1\n"
        '# HELP two_total Two.\n# TYPE two_total counter\ntwo_total{a="1"} 2\ntwo_total{a="2"} 3\n'
    )


def buckets_of(*durations: float) -> list[int]:
    buckets = [0] * (max(map(bucket_of, durations)) + 1)
    for ms in durations:
        buckets[bucket_of(ms)] += 1
    return buckets


def cumulative(count: int, buckets: list[int]) -> tuple[dict[str, float], float, float]:
    """The buckets of the samples that a histogram makes, sum and count."""
    families = {"h_seconds": Family("histogram", "H.")}
    found = read(page(families, histogram("h_seconds", {"source": "demo"}, count, 1.5, buckets)))
    assert all(labels["source"] == "demo" for _, labels, _ in found)
    by_bound = {labels["le"]: value for name, labels, value in found if name == "h_seconds_bucket"}
    (total,), (number,) = (
        [value for name, _, value in found if name == f"h_seconds_{end}"] for end in ("sum", "count")
    )
    return by_bound, total, number


def test_a_histogram_is_cumulative_in_seconds_over_powers_of_two() -> None:
    durations = [1.0, 1.1, 2.0, 2.5, 500.0, 16384.0, 20_000.0, 60_000.0]
    by_bound, total, number = cumulative(len(durations), buckets_of(*durations))
    assert list(by_bound) == [
        *("0.001", "0.002", "0.004", "0.008", "0.016", "0.032", "0.064", "0.128", "0.256"),
        *("0.512", "1.024", "2.048", "4.096", "8.192", "16.384", "+Inf"),
    ]
    assert by_bound == {le: sum(ms <= (float(le) * 1000) for ms in durations) for le in by_bound}
    assert (total, number) == (1.5, 8)


@given(st.lists(st.integers(0, 10**12), max_size=len(BOUNDS) + 1), st.integers(0, 10**12))
def test_a_histogram_never_falls_and_ends_with_its_count(buckets: list[int], count: int) -> None:
    by_bound, _, number = cumulative(count, buckets)
    values = list(by_bound.values())
    assert values == sorted(values)
    assert values[-1] == number == max(count, sum(buckets))
