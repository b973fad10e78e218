"""kill -9 at each step of writing to the spool and of importing it: what was promised is there once, and stays so."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest
from django.db import connections

from notifications import keep
from notifications.models import RawPayload, State
from notifications.store import insert, spool_import
from notifications.store.database_breaker import breaker
from notifications.store.spool import TEMPORARY, spool
from notifications.store.spool_import import import_spool
from tests.support.journals import exit_code, in_child

pytestmark = pytest.mark.usefixtures("sqlite_file")

#: What changes anything, or lets others see it.
CALLS: Final = ("open", "pwrite", "utime", "fsync", "link", "unlink", "rename", "close")
#: More than there are.
MOST: Final = 500


def kill_at(step: int) -> None:
    """Die before the `step`th of those calls, in this process."""
    left = step

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return counted

    for name in CALLS:
        setattr(os, name, counting(getattr(os, name)))
    insert.insert = counting(insert.insert)
    wrapper = type(connections["default"])
    for name in ("commit", "set_autocommit"):
        setattr(wrapper, name, counting(getattr(wrapper, name)))


def until_it_lives(work: Callable[[int], object], check: Callable[[bool], None]) -> int:
    """Have children do the work, each killed one step later, until one finishes. Returns the steps."""
    for step in range(1, MOST):
        connections.close_all()  # no child may use a connection of this process
        code = exit_code(in_child(lambda step=step: work(step)))  # type: ignore[misc]
        assert code in {0, -signal.SIGKILL}
        check(code == 0)
        if code == 0:
            return step
    raise AssertionError("it never comes to its end")


def bodies() -> Counter[bytes]:
    return Counter(bytes(payload.body) for payload in RawPayload.objects.all())


@pytest.mark.parametrize("key", [None, "k1"])
def test_writing(key: str | None, tmp_path: Any) -> None:
    """An acknowledged payload is kept. An unacknowledged one may be kept: then it is whole."""
    acknowledged = tmp_path / "acknowledged"

    def write(step: int) -> None:
        breaker.open()
        kill_at(step)
        receipt = keep("photo", b"x" * 10_000, key=key)
        acknowledged.write_text(str(receipt))

    def check(lived: bool) -> None:
        breaker.close()
        while import_spool():
            pass
        assert set(bodies()) <= {b"x" * 10_000}
        assert RawPayload.objects.count() <= 1 or key is None
        if acknowledged.exists():
            assert RawPayload.objects.filter(receipt=acknowledged.read_text()).count() == 1
            acknowledged.unlink()
        else:
            assert not lived
        left = [path for path in spool().folder.glob("*") if not path.name.endswith(TEMPORARY)]
        assert left == []
        if key is None:
            RawPayload.objects.all().delete()

    assert until_it_lives(write, check) > 8


def test_importing() -> None:
    """Each is there once, however often the import was begun, and what was handled meanwhile stays handled."""
    expected: Counter[bytes] = Counter()

    def fill() -> None:
        breaker.open()
        for number in range(3):
            body = b"%d %d" % (len(expected), number)
            keep("photo", body)
            expected[body] = 1
        breaker.close()

    def work(step: int) -> None:
        spool_import.forget()
        kill_at(step)
        import_spool()

    def check(lived: bool) -> None:
        there = bodies()
        assert there <= expected
        if lived:
            assert there == expected
            assert spool().waiting() == []
            return
        waiting = Counter(record.body for path in spool().waiting() if (record := spool().read(path)))
        assert there | waiting == expected, f"something is neither here nor there: {sorted(os.listdir(spool().folder))}"
        RawPayload.objects.update(state=State.DONE, next_attempt_at=None)
        spool_import.forget()
        while import_spool():
            pass
        assert bodies() == expected
        done = RawPayload.objects.filter(state=State.DONE).count()
        assert done == sum(there.values()), "what was handled is to be handled again"
        fill()

    fill()
    assert until_it_lives(work, check) > 10


@pytest.mark.slow
def test_importing_and_writing_at_once_with_the_same_key() -> None:
    """A repetition that comes between the insert and the unlink is the same payload."""
    breaker.open()
    receipt = keep("photo", b"x", key="1")
    breaker.close()

    def import_half(step: int) -> None:
        kill_at(step)
        import_spool()

    def check(lived: bool) -> None:
        assert keep("photo", b"x", key="1") == receipt
        breaker.open()
        assert keep("photo", b"x", key="1") == receipt
        breaker.close()
        assert RawPayload.objects.count() <= 1

    until_it_lives(import_half, check)
    import_spool()
    assert bodies() == {b"x": 1}
