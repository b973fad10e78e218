"""What can be registered, and what handlers say about their errors."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError

from notifications import RetryAt, on_event, on_payload
from notifications.handlers import PayloadHandler, payload_handlers


def nothing(_: Any) -> None: ...


def handler(**options: Any) -> PayloadHandler:
    return PayloadHandler("demo", nothing, **options)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"retry_on": ValueError}, r"retry_on=\(ConnectionError,\)"),
        ({"retry_on": [ValueError]}, "retry_on"),
        ({"retry_on": ("ValueError",)}, "retry_on"),
        ({"retry_on": (int,)}, "retry_on"),
        ({"retry_on": (ValueError(),)}, "retry_on"),
        ({"give_up_on": ValueError}, r"give_up_on=\(ConnectionError,\)"),
        ({"give_up_on": None}, "give_up_on"),
    ],
)
def test_says_how_exceptions_are_written(wrong: dict[str, Any], hint: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=hint) as caught:
        on_payload("never", **wrong)
    assert "'never'" in str(caught.value)


async def later(_: Any) -> None: ...


async def later_and_again(_: Any) -> Any:
    yield


def yields(_: Any) -> Any:
    yield


@pytest.mark.parametrize(
    ("function", "hint"), [(later, "async_to_sync"), (later_and_again, "async_to_sync"), (yields, "remove its yield")]
)
@pytest.mark.parametrize("decorator", [on_payload("never"), on_event("NEVER")])
def test_refuses_what_would_count_as_done_without_running(decorator: Any, function: Any, hint: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=hint):
        decorator(function)
    assert "never" not in payload_handlers


def test_refuses_a_decorator_without_its_name() -> None:
    decorators: list[Any] = [on_payload, on_event]
    for decorator in decorators:
        with pytest.raises(ImproperlyConfigured):
            decorator(nothing)


@pytest.mark.parametrize(
    ("options", "final", "not_final"),
    [
        ({}, [], [ValueError(), KeyError()]),
        ({"give_up_on": (LookupError,)}, [KeyError(), IndexError()], [ValueError()]),
        ({"retry_on": (OSError,)}, [KeyError(), MemoryError()], [ConnectionError(), TimeoutError()]),
        ({"retry_on": ()}, [KeyError()], []),
        ({"retry_on": (LookupError,), "give_up_on": (KeyError,)}, [KeyError(), ValueError()], [IndexError()]),
        ({"give_up_on": (DatabaseError, Exception)}, [KeyError()], []),
    ],
)
def test_what_is_final(options: Any, final: list[BaseException], not_final: list[BaseException]) -> None:
    assert [handler(**options).is_final(error) for error in final] == [True] * len(final)
    away = [OperationalError("server closed the connection"), InterfaceError()]
    assert [handler(**options).is_final(error) for error in [*not_final, *away]] == [False] * (len(not_final) + 2)


def test_retry_at_takes_a_time_or_a_pause() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert RetryAt(datetime(2030, 1, 1, 9, tzinfo=tokyo)).time == datetime(2030, 1, 1, tzinfo=UTC)
    before = datetime.now(UTC)
    assert before + timedelta(hours=1) <= RetryAt(timedelta(hours=1)).time <= datetime.now(UTC) + timedelta(hours=1)
    assert str(RetryAt(timedelta(1), "why")) == "why"


@pytest.mark.parametrize(
    ("time", "error"),
    [
        (datetime(2030, 1, 1), ValueError),
        (60, TypeError),
        (None, TypeError),
        (timedelta.max, OverflowError),
        (datetime.max.replace(tzinfo=timezone(-timedelta(hours=9))), OverflowError),
    ],
)
def test_retry_at_refuses_other_times(time: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        RetryAt(time)
