"""Each middleware of ours works under WSGI and ASGI, and under ASGI in no thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final

import pytest
from asgiref.sync import iscoroutinefunction
from django.conf import settings as site_settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.utils.module_loading import import_string

from notifications.database.postgresql_restart import is_in_request

OURS: Final = [path for path in site_settings.MIDDLEWARE if path.startswith(("notifications.", "proppy."))]


@pytest.fixture(autouse=True)
def _proxies() -> Any:
    with override_settings(NOTIFICATIONS_TRUSTED_PROXIES=["10.0.0.0/8"]):
        yield


def make(path: str, get_response: Callable[[HttpRequest], Any]) -> Any:
    return import_string(path)(get_response)


def test_there_are_some() -> None:
    assert len(OURS) == 5


@pytest.mark.parametrize("path", OURS)
def test_both_ways(path: str) -> None:
    threads: list[int] = []

    def answer(request: HttpRequest) -> HttpResponse:
        threads.append(threading.get_ident())
        return HttpResponse("ok")

    async def answer_async(request: HttpRequest) -> HttpResponse:
        return answer(request)

    middleware_class = import_string(path)
    assert (middleware_class.sync_capable, middleware_class.async_capable) == (True, True)
    waits = make(path, answer)
    assert not iscoroutinefunction(waits)
    assert waits(RequestFactory().post("/sign-up/")).content == b"ok"
    awaits = make(path, answer_async)
    assert iscoroutinefunction(awaits)
    assert asyncio.run(awaits(RequestFactory().post("/sign-up/"))).content == b"ok"
    assert set(threads) == {threading.get_ident()}


@pytest.mark.parametrize("path", OURS)
def test_an_exception_goes_through(path: str) -> None:
    async def fail(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(make(path, fail)(RequestFactory().get("/")))


def test_requests_that_take_turns_on_a_loop_wait_each_for_itself() -> None:
    """One ends while another is still patient; and what runs beside them is not."""
    seen: list[bool] = []
    turn = asyncio.Event()

    async def slow(request: HttpRequest) -> HttpResponse:
        await turn.wait()
        seen.append(is_in_request())
        seen.append(await asyncio.to_thread(is_in_request))
        return HttpResponse()

    async def quick(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    async def work() -> None:
        patient = "notifications.patience.PatientRequests"
        first = asyncio.create_task(make(patient, slow)(RequestFactory().get("/")))
        await asyncio.sleep(0)
        await make(patient, quick)(RequestFactory().get("/"))
        seen.append(is_in_request())
        turn.set()
        await first

    asyncio.run(work())
    assert seen == [False, True, True]


def test_the_pages_for_balancers() -> None:
    async def never(request: HttpRequest) -> HttpResponse:
        raise AssertionError

    pages = make("notifications.health.StatusPages", never)
    assert asyncio.run(pages(RequestFactory().get("/healthz"))).content == b"ok\n"
