import asyncio
import os
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Final

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings

from notifications import middleware
from notifications.http.request_totals import MAX_ROUTES
from notifications.middleware import Reporter, RequestStats
from notifications.utils.histogram import bucket_of
from tests.support.series import Counts

DEADLINE: Final = 20.0


class Emitted:
    """What emit() was called with."""

    def __init__(self) -> None:
        self.counts: list[dict[str, int]] = []

    def __call__(self, name: str, text: str, /, *, on_commit: bool, **fields: Any) -> None:
        assert (name, text, on_commit, list(fields)) == ("REPORT", "requests", False, ["counts"])
        self.counts.append(fields["counts"])


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> Emitted:
    emitted = Emitted()
    monkeypatch.setattr(middleware, "emit", emitted)
    return emitted


@pytest.fixture
def reporter(emitted: Emitted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reporter]:
    reporter = Reporter()
    monkeypatch.setattr(middleware, "reporter", reporter)
    yield reporter
    assert reporter.close(DEADLINE)


def serve(reporter: Reporter, *, route: str | None = "photos/<int:id>/", status: int = 200, ms: float = 2.0) -> None:
    reporter.add("GET", route, status=status, ms=ms)


def answer(status: int, route: str | None) -> Callable[[HttpRequest], HttpResponse]:
    def get_response(request: HttpRequest) -> HttpResponse:
        if route is not None:
            request.resolver_match = SimpleNamespace(route=route)  # type: ignore[assignment]  # all that is read of it
        return HttpResponse(status=status)

    return get_response


def without_times(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if not name.startswith("ms ")}


def test_counts_by_method_and_route(reporter: Reporter, emitted: Emitted) -> None:
    factory = RequestFactory()
    for status, route in ((200, "photos/<int:id>/"), (503, "photos/<int:id>/"), (404, None), (200, "")):
        RequestStats(answer(status, route))(factory.get("/photos/7/"))
    RequestStats(answer(200, "in/"))(factory.generic("BREW", "/in/"))
    assert reporter.flush(DEADLINE)
    assert [without_times(counts) for counts in emitted.counts] == [
        {
            "requests GET /photos/<int:id>/": 2,
            "errors GET /photos/<int:id>/": 1,
            "requests GET unknown": 1,
            "requests GET /": 1,
            "requests OTHER /in/": 1,
        }
    ]


def test_an_exception_is_an_error_and_goes_on(reporter: Reporter, emitted: Emitted) -> None:
    def fail(_: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        RequestStats(fail)(RequestFactory().get("/"))
    assert reporter.flush(DEADLINE)
    assert without_times(emitted.counts[0]) == {"requests GET unknown": 1, "errors GET unknown": 1}


def test_a_client_that_does_not_wait_is_no_error(reporter: Reporter, emitted: Emitted) -> None:
    """Under ASGI Django cancels the request then."""

    async def wait(_: HttpRequest) -> HttpResponse:
        await asyncio.Event().wait()
        return HttpResponse()

    async def leave() -> None:
        answering = asyncio.ensure_future(RequestStats(wait)(RequestFactory().get("/")))
        await asyncio.sleep(0)
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering

    asyncio.run(leave())
    assert reporter.flush(DEADLINE)
    assert without_times(emitted.counts[0]) == {"requests GET unknown": 1}


def test_milliseconds_are_summed_before_they_are_rounded(reporter: Reporter, emitted: Emitted) -> None:
    for _ in range(10):
        serve(reporter, ms=0.3)
    assert reporter.flush(DEADLINE)
    assert emitted.counts == [{"requests GET /photos/<int:id>/": 10, "ms GET /photos/<int:id>/": 3}]


def test_one_event_for_each_interval(reporter: Reporter, emitted: Emitted) -> None:
    for number in (2, 3):
        for _ in range(number):
            serve(reporter)
        assert reporter.flush(DEADLINE)
    assert [counts["requests GET /photos/<int:id>/"] for counts in emitted.counts] == [2, 3]


@override_settings(NOTIFICATIONS_METRICS_INTERVAL=0.05)
def test_what_is_left_is_told_without_a_further_request(reporter: Reporter, emitted: Emitted) -> None:
    serve(reporter)
    end = time.monotonic() + DEADLINE
    while not emitted.counts:
        assert time.monotonic() < end, "nothing was told"
        time.sleep(0.002)
    assert len(emitted.counts) == 1


def test_each_minute_is_a_series_and_the_interval_one_event(
    counts: Counts, emitted: Emitted, reporter: Reporter
) -> None:
    for minute in (60, 120):
        serve(reporter, ms=2.0)
        serve(reporter, status=500, ms=5.0)
        reporter.minute_over(minute)
    assert emitted.counts == []
    assert reporter.flush(DEADLINE)
    label = "GET /photos/<int:id>/"
    assert emitted.counts == [{f"requests {label}": 4, f"errors {label}": 2, f"ms {label}": 14}]
    assert counts.minutes == {60, 120}
    requests, errors = counts.all()["requests", label], counts.all()["errors", label]
    assert (requests.count, requests.total, requests.highest) == (4, 14.0, 5.0)
    assert (requests.buckets[bucket_of(2.0)], requests.buckets[bucket_of(5.0)]) == (2, 2)
    assert (errors.count, errors.buckets) == (2, [])


def test_routes_of_an_interval_are_bounded(reporter: Reporter, emitted: Emitted) -> None:
    for minute in range(2):
        for number in range(MAX_ROUTES):
            serve(reporter, route=f"{minute}/{number}/")
        reporter.minute_over(minute)
    assert reporter.flush(DEADLINE)
    assert emitted.counts[0]["requests other"] == MAX_ROUTES


def test_nothing_is_told_of_nothing(reporter: Reporter, emitted: Emitted) -> None:
    serve(reporter)
    assert reporter.flush(DEADLINE)
    assert reporter.flush(DEADLINE)
    assert len(emitted.counts) == 1


def test_exit_tells_what_is_left(reporter: Reporter, emitted: Emitted) -> None:
    serve(reporter)
    assert reporter.close(DEADLINE)
    assert len(emitted.counts) == 1


def test_routes_are_bounded(reporter: Reporter, emitted: Emitted) -> None:
    for number in range(MAX_ROUTES + 100):
        serve(reporter, route=f"{number}/")
    assert reporter.flush(DEADLINE)
    assert emitted.counts[0]["requests other"] == 100


def test_a_forked_child_tells_nothing_of_its_parent(reporter: Reporter, emitted: Emitted) -> None:
    serve(reporter)
    child = os.fork()
    if not child:
        reporter.add("POST", "photos/<int:id>/", status=200, ms=2.0)
        told = reporter.flush(DEADLINE) and [list(counts) for counts in emitted.counts]
        os._exit(told != [["requests POST /photos/<int:id>/", "ms POST /photos/<int:id>/"]])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert reporter.flush(DEADLINE)
    assert [next(iter(counts)) for counts in emitted.counts] == ["requests GET /photos/<int:id>/"]
