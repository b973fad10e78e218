"""How often one client may post to a source: what passes, what is remembered, and what a refusal costs."""

import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
from django.core.checks import run_checks
from django.test import Client

from notifications import testing
from notifications.conf import UNSIGNED_RATE, Source
from notifications.errors import RateLimited
from notifications.http.rate_limit_report import REFUSED, refusals
from notifications.http.rate_limits import BoundedMemory, RateLimit, check_source_rate, client_key, parse_rate
from notifications.models import RawPayload
from notifications.proxies import client_address
from tests.support.journals import exit_code, in_child

pytestmark = pytest.mark.usefixtures("rate_limits")
ADA, BOB = {"REMOTE_ADDR": "203.0.113.1"}, {"REMOTE_ADDR": "203.0.113.2"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def a_limit(rate: str, clock: Clock, most: int = 1000) -> RateLimit:
    return RateLimit("test", rate, storage=BoundedMemory(most, clock))


class TestRateLimit:
    def test_a_window_begins_with_the_first_hit_and_ends_for_all(self, clock: Clock) -> None:
        limit = a_limit("2/minute", clock)
        assert limit.hit("a") == 0
        clock.now += 50.5
        assert limit.hit("a") == 0
        assert [limit.hit("a"), limit.hit("a")] == [10, 10]  # whoever goes on trying has to wait no longer
        clock.now += 9.4
        assert limit.hit("a") == 1
        clock.now += 0.1
        assert [limit.hit("a"), limit.hit("a"), limit.hit("a")] == [0, 0, 60]

    def test_each_key_has_a_window_of_its_own(self, clock: Clock) -> None:
        limit = a_limit("1/minute", clock)
        assert [limit.hit("a"), limit.hit("b"), limit.hit("a")] == [0, 0, 60]
        assert RateLimit("other", "1/minute").hit("a") == 0

    def test_what_is_forgiven_counts_no_more(self, clock: Clock) -> None:
        limit = a_limit("1/minute", clock)
        assert [limit.hit("a"), limit.hit("b")] == [0, 0]
        limit.forgive("a")
        assert [limit.hit("a"), limit.hit("b")] == [0, 60]

    def test_switched_off_it_lets_everything_pass_and_counts_nothing(self, clock: Clock, settings: Any) -> None:
        limit = a_limit("1/minute", clock)
        settings.NOTIFICATIONS_RATE_LIMITS = False
        assert [limit.hit("a") for _ in range(3)] == [0, 0, 0]
        settings.NOTIFICATIONS_RATE_LIMITS = True
        assert limit.hit("a") == 0

    @pytest.mark.slow
    def test_threads_together_get_no_more(self, clock: Clock) -> None:
        before = sys.getswitchinterval()
        limit = a_limit("1000/minute", clock)
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(8) as threads:
                waits = list(threads.map(lambda _: limit.hit("a"), range(20_000)))
        finally:
            sys.setswitchinterval(before)
        assert waits.count(0) == 1000

    @pytest.mark.parametrize(
        ("rate", "parsed"),
        [
            ("1/second", (1, 1)),
            ("20/hour", (20, 3600)),
            ("600 per minute", (600, 60)),
            ("5 per 10 minutes", (5, 600)),
            ("7/2days", (7, 172_800)),
        ],
    )
    def test_a_rate(self, rate: str, parsed: tuple[int, int]) -> None:
        assert parse_rate(rate) == parsed

    @pytest.mark.parametrize(
        "rate",
        [
            *("", "often", "10", "10/fortnight", "0/minute", "5/0 minutes", "-1/minute", "1/second; 5/minute"),
            *("1/second\n", "\N{ARABIC-INDIC DIGIT THREE}/minute", None, 10, ["1/second"]),
        ],
    )
    def test_says_what_is_no_rate(self, rate: Any) -> None:
        with pytest.raises(ValueError, match="is not a rate"):
            parse_rate(rate)


class TestBoundedMemory:
    def test_it_never_holds_more_keys_and_forgets_the_oldest(self, clock: Clock) -> None:
        memory = BoundedMemory(100, clock)
        for number in range(10_000):
            assert memory.incr(str(number), 60) == 1
            assert len(memory) <= 100
        assert [memory.seconds_left(number) > 0 for number in ("9999", "9900", "9899")] == [True, True, False]

    def test_what_has_ended_is_freed_while_others_come(self, clock: Clock) -> None:
        memory = BoundedMemory(10_000, clock)
        for number in range(1000):
            memory.incr(str(number), 60)
        clock.now += 60
        for number in range(200):
            memory.incr(f"new {number}", 60)
        assert len(memory) == 200

    def test_a_key_that_comes_again_after_its_end_is_the_youngest(self, clock: Clock) -> None:
        memory = BoundedMemory(1000, clock)
        for number in range(100):
            memory.incr(str(number), 60)
        clock.now += 60
        memory.incr("50", 60)
        for number in range(20):
            memory.incr(f"new {number}", 60)
        assert len(memory) == 21  # in its old place it would keep those behind it from being freed

    def test_a_forked_child_gets_a_lock_of_its_own(self) -> None:
        counting, forked = threading.Event(), threading.Event()

        class Slow(str):
            """Is looked up in the middle of a count."""

            __slots__ = ()

            def __hash__(self) -> int:
                counting.set()
                assert forked.wait(30)
                return super().__hash__()

        def child() -> None:
            signal.alarm(30)
            assert memory.incr("a", 60) == 1

        memory = BoundedMemory()
        thread = threading.Thread(target=memory.incr, args=[Slow("a"), 60])
        thread.start()
        assert counting.wait(30)
        assert exit_code(in_child(child)) == 0
        forked.set()
        thread.join()


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002::/64"),
        ("2001:db8:1:2::", "2001:0db8:0001:0002::/64"),
        ("::ffff:203.0.113.1", "203.0.113.1"),
        ("fe80::1%eth0", "fe80:0000:0000:0000::/64"),
        ("203.0.113.1:8080", "203.0.113.1:8080"),
        ("", ""),
    ],
)
def test_a_client_is_its_address_or_its_network(address: str, key: str) -> None:
    assert client_key(address) == key


def test_an_address_of_any_length_and_kind_raises_nothing(settings: Any) -> None:
    settings.NOTIFICATIONS_TRUSTED_PROXIES = ["203.0.113.1"]
    for forwarded in ("x" * 10_000, ":" * 10_000, "\0", "é\udcff", "unknown", "[::1]:80", "%", "::%\n"):
        check_source_rate(Source(name="a", http=True), client_address(ADA | {"HTTP_X_FORWARDED_FOR": forwarded}))


class TestSource:
    @pytest.mark.parametrize(
        ("source", "rate"),
        [
            (Source(name="a", http=True), UNSIGNED_RATE),
            (Source(name="a", http=True, signature="github"), ""),
            (Source(name="a"), ""),
            (Source(name="a", http=True, rate=""), ""),
            (Source(name="a", http=True, rate="5/hour"), "5/hour"),
            (Source(name="a", http=True, signature="github", rate="5/hour"), "5/hour"),
        ],
    )
    def test_has_a_limit_where_anybody_can_post_unless_it_says_otherwise(self, source: Source, rate: str) -> None:
        assert source.rate_limit == rate

    def test_refuses_one_more_than_the_default(self) -> None:
        source = Source(name="a", http=True)
        for _ in range(600):
            check_source_rate(source, client_address(ADA))
        with pytest.raises(RateLimited) as refused:
            check_source_rate(source, client_address(ADA))
        assert 1 <= (refused.value.retry_after or 0) <= 60
        check_source_rate(source, client_address(BOB))
        check_source_rate(Source(name="b", http=True), client_address(ADA))

    @pytest.mark.parametrize("rate", ["often", 7, ("1/s",)])
    def test_a_rate_that_cannot_be_read_refuses_nobody(self, rate: Any) -> None:
        for _ in range(3):
            check_source_rate(Source(name="a", http=True, rate=rate), client_address(ADA))

    @pytest.mark.parametrize(
        ("rate", "is_right"),
        [("120/minute", True), ("5 per 10 minutes", True), ("", True), (None, True), ("often", False), (7, False)],
    )
    def test_the_check_names_a_rate_that_cannot_be_read(self, settings: Any, rate: Any, is_right: bool) -> None:
        settings.NOTIFICATIONS_SOURCES = settings.NOTIFICATIONS_SOURCES | {"demo": {"http": True, "rate": rate}}
        errors = [message for message in run_checks() if message.id == "notifications.E012"]
        assert [error.msg for error in errors] == ([] if is_right else [f"Source 'demo' has rate {rate!r}."])


class Untouchable:
    """A body that nobody may read."""

    def read(self, *_: int) -> NoReturn:
        raise AssertionError("a post that is refused is not read")

    readline = read


@pytest.mark.django_db
@pytest.mark.usefixtures("state_dir")
class TestPost:
    @pytest.fixture(autouse=True)
    def _sources(self, settings: Any) -> None:
        settings.NOTIFICATIONS_SOURCES = {
            "rare": {"http": True, "rate": "2/minute", "redirect": "/thanks/"},
            "other": {"http": True, "rate": "2/minute"},
            "internal": {"rate": "1/minute"},
        }

    def post(self, client: Client, source: str, **environ: Any) -> Any:
        return client.generic("POST", f"/in/{source}/", b"x", **(ADA | environ))

    def test_one_too_many_is_a_429_that_says_when_to_come_back(
        self, client: Client, django_assert_num_queries: Any
    ) -> None:
        assert [self.post(client, "rare").status_code for _ in range(2)] == [202, 202]
        with django_assert_num_queries(0):
            refused = self.post(client, "rare", **{"wsgi.input": Untouchable()})
        assert refused.status_code == 429
        assert 1 <= int(refused["Retry-After"]) <= 60
        assert refused.json() == {"error": "more than 2/minute from your address to rare"}
        assert RawPayload.objects.count() == 2
        assert self.post(client, "rare", **BOB).status_code == 202
        assert self.post(client, "other").status_code == 202

    def test_a_browser_gets_a_page(self, client: Client) -> None:
        accept = {"HTTP_ACCEPT": "text/html"}
        assert [self.post(client, "rare", **accept).status_code for _ in range(3)] == [303, 303, 429]
        page = self.post(client, "rare", **accept)
        assert f"try again in {page['Retry-After']} seconds" in page.text

    def test_an_internal_source_still_looks_like_none(self, client: Client) -> None:
        assert [self.post(client, "internal").status_code for _ in range(2)] == [404, 404]


def test_refusals_are_told_as_one_report() -> None:
    refusals.flush(30)
    told, limit = testing.Told(), RateLimit("tests", "1/minute")
    for _ in range(4):
        limit.hit("a")
    assert refusals.flush(30)
    counted = [event.data["counts"] for event in told.events() if event.text == "refused requests"]
    told.close()
    assert counted == [{f"{REFUSED}tests": 3}]
