import sys
import threading

from notifications.http.request_totals import MOST_TIMES, RequestTotals, RouteTotals
from notifications.utils.histogram import BUCKETS, bucket_of


def histogram(*times: float) -> list[int]:
    buckets = [0] * BUCKETS
    for milliseconds in times:
        buckets[bucket_of(milliseconds)] += 1
    return buckets


def test_totals_of_a_route() -> None:
    totals = RequestTotals()
    totals.add("GET", "", error=False, ms=2.0)
    totals.add("GET", "", error=True, ms=4.5)
    totals.add("POST", "", error=False, ms=1.0)
    assert totals.take() == {
        "GET /": RouteTotals(1, 6.5, 4.5, histogram(2.0, 4.5)),
        "POST /": RouteTotals(0, 1.0, 1.0, histogram(1.0)),
    }
    assert totals.take() == {}


def test_many_times_of_a_route() -> None:
    totals, times = RequestTotals(), [float(number % 90) for number in range(3 * MOST_TIMES + 1)]
    for milliseconds in times:
        totals.add("GET", "", error=False, ms=milliseconds)
    assert totals.take() == {"GET /": RouteTotals(0, sum(times), 89.0, histogram(*times))}


def test_routes_are_bounded() -> None:
    totals = RequestTotals(max_routes=3)
    for number in range(10):
        for _ in range(2):
            totals.add("GET", f"{number}", error=False, ms=1)
    taken = totals.take()
    assert list(taken) == ["GET /0", "GET /1", "GET /2", "other"]
    assert taken["other"].requests == 14


def test_totals_lose_count_of_nothing_while_they_are_taken() -> None:
    totals = RequestTotals()
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def add_many() -> None:
        for _ in range(3000):
            totals.add("GET", "", error=True, ms=1)

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    taken = []
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            taken.append(totals.take())
    finally:
        sys.setswitchinterval(switch)
    taken.append(totals.take())
    routes = [route for each in taken for route in each.values()]
    assert sum(route.requests for route in routes) == 12_000
    assert sum(route.errors for route in routes) == 12_000
    assert sum(sum(route.buckets) for route in routes) == 12_000
