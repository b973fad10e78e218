"""What the soak counts and compares; that it runs is tested in tests/integration/test_soak.py."""

import random
import uuid
from collections import Counter

import pytest
from django.utils import timezone

from notifications.events.event import Event
from notifications.follow_journal.digest import Digest
from tests.soak import table
from tests.soak.bad_bodies import KINDS
from tests.soak.effects import compare, told
from tests.soak.histogram import GROWTH, Histogram
from tests.soak.ledger import Ledger
from tests.soak.load import is_friendly
from tests.soak.mix import RawPosts
from tests.soak.tally import Tally
from tests.soak.wire import Answer


def histogram(*seconds: float) -> Histogram:
    made = Histogram()
    for one in seconds:
        made.add(one)
    return made


@pytest.mark.parametrize("share", [0.5, 0.99, 0.999])
def test_a_quantile_is_at_most_a_bucket_too_high(share: float) -> None:
    chance = random.Random(1)
    times = sorted(chance.expovariate(100) for _ in range(10_000))
    exact = times[int(share * len(times)) - 1]
    assert exact <= histogram(*times).quantile(share) <= exact * GROWTH


def test_a_histogram_knows_its_extremes() -> None:
    assert Histogram().quantile(0.99) == 0.0
    assert histogram(0.0).quantile(0.5) == 0.0
    assert histogram(7.0).quantile(0.999) == 7.0


def test_histograms_add_up() -> None:
    merged = histogram(0.001, 0.002)
    merged.merge(histogram(3.0))
    assert (merged.count, merged.longest) == (3, 3.0)
    assert merged.quantile(1.0) == 3.0
    assert merged.quantile(0.3) < 0.002


def test_the_table_of_routes_has_both_times_and_a_sum() -> None:
    one = Tally(3, 1, 1, histogram(0.01), histogram(2.0), cut=2)
    lines = table.routes({"GET /": one, "GET /healthz": Tally(1000, 0, 0, histogram(0.001))}).splitlines()
    assert lines[2] == "| GET / | 3 | 1 | 2 | 1 | 10.0 / 10.0 / 10.0 | 2,000.0 / 2,000.0 / 2,000.0 |"
    assert lines[3] == "| GET /healthz | 1,000 | 0 | 0 | 0 | 1.0 / 1.0 / 1.0 |  |"
    assert lines[4].startswith("| all | 1,003 | 1 | 2 | 1 | ")


def test_the_table_of_faults_begins_with_none() -> None:
    tallies = {"": Tally(5, quiet=histogram(0.01)), "S3 down": Tally(2, 0, 1, disturbed=histogram(0.5))}
    lines = table.faults(tallies, {"S3 down": 1, "Slack down": 2}, {"S3 down": 4, "Slack down": 9}).splitlines()
    assert lines[2] == "| none |  |  | 5 | 0 | 0 | 0 | 10.0 / 10.0 / 10.0 |"
    assert lines[3] == "| S3 down | 1 | 4 | 2 | 0 | 0 | 1 | 500.0 / 500.0 / 500.0 |"
    assert lines[4] == "| Slack down | 2 | 9 | 0 | 0 | 0 | 0 |  |"


def test_a_loss_is_not_hidden_by_a_repetition() -> None:
    effect = compare("x", Counter("ab"), Counter("bb"))
    assert (effect.expected, effect.found, effect.lost, effect.repeated, effect.missed) == (2, 2, 1, 1, True)


def test_what_is_unsure_may_be_there_once() -> None:
    assert not compare("x", Counter("a"), Counter("ab"), unsure=Counter("bc")).missed
    assert compare("x", Counter("a"), Counter("abb"), unsure=Counter("bc")).missed
    assert not compare("x", Counter("a"), Counter("aa"), may_repeat=True).missed


def test_events_are_counted_singly_and_in_digests() -> None:
    digest = Digest()
    kinds = ["sign-up"] * 7 + ["photo", "refused photo", "contact", "contact", "wrong contact form", "outage"]
    for kind in kinds:
        digest.add(Event("SLACK", f"1 {kind}, 12:00\nand more", timezone.now(), {"kind": kind}))
    singles = [
        "Ada signed up",
        "Ada uploaded a photo (1 x 2)",
        "A photo by Ada was refused: no",
        "Contact from Ada: read it in the admin under Contact messages",
        "A contact form was wrong in: email",
    ]
    assert told([digest.event("SLACK").text]) == Counter(kinds)
    assert told(singles) == Counter(set(kinds) - {"outage"})


def test_a_503_is_friendly_as_a_page_that_says_when_to_come_back() -> None:
    page, headers = b"<!DOCTYPE html><p>Soon", {"content-type": "text/html", "retry-after": "5"}
    assert is_friendly(Answer(503, headers, [], page))
    assert not is_friendly(Answer(500, headers, [], page))
    assert not is_friendly(Answer(503, headers | {"content-type": "application/json"}, [], page))
    assert not is_friendly(Answer(503, {"content-type": "text/html"}, [], page))
    assert not is_friendly(Answer(503, headers, [], b"upstream"))


def test_the_ledger_notices_a_receipt_that_two_bodies_got() -> None:
    ledger, receipt = Ledger(), uuid.uuid4()
    ledger.taken("contact", receipt, b"a", valid=True)
    ledger.taken("contact", receipt, b"a", valid=True)
    assert ledger.reports == {"contact form": 1}
    with pytest.raises(AssertionError, match="another body"):
        ledger.taken("contact", receipt, b"b")


def test_a_seed_decides_what_is_sent() -> None:
    first, again, other = (RawPosts(random.Random(seed), Ledger()) for seed in ("1", "1", "2"))
    sent = [[posts.next().data for _ in range(50)] for posts in (first, again, other)]
    assert sent[0] == sent[1] != sent[2]


def test_of_bad_bodies_only_the_valid_ones_may_be_stored() -> None:
    chance = random.Random("1")
    sent = [kind(chance) for kind in KINDS for _ in range(20)]
    assert all((bad.taken is not None) == (bad.status == 202) for bad in sent)
    assert {bad.status for bad in sent} == {202, 400, 413, 431}
    long = next(bad for bad in sent if "extensions" in bad.name)
    assert len(long.data) - len(long.taken or b"") > 16_384
