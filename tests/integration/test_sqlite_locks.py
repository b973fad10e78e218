"""A stock project on SQLite as our page has it: visitors read, write and keep beside the workers, and get no error."""

import json

import pytest

from tests.support.child import Process
from tests.support.stock_project import StockProject
from tests.support.wait import wait_for

VISITS = "60"


def errors_of(visitors: list[Process]) -> list[object]:
    wait_for(lambda: not any(visitor.alive for visitor in visitors), timeout=90, message="the visits")
    return [json.loads(visitor.log.splitlines()[-1]) for visitor in visitors]


@pytest.mark.slow
def test_no_visitor_finds_the_database_locked(stock: StockProject) -> None:
    for worker in ("process_raw", "follow_journal"):
        stock.start("manage.py", worker)
    visitors = [stock.start("-m", "tests.support.visits", VISITS, "0") for _ in range(3)]
    assert errors_of(visitors) == [{}, {}, {}]
    rows = "from django.contrib.auth.models import User; import json; print(json.dumps(User.objects.count()))"
    assert stock.python(rows) == 3 * int(VISITS)
