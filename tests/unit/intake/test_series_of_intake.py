"""What the intake counts for the series: by source, in the view and at the gate."""

import pytest
from django.test import Client

from notifications.conf import conf
from notifications.testing import GateClient
from tests.support.series import Counts

pytestmark = pytest.mark.django_db(transaction=True)
JSON = "application/json"


@pytest.mark.parametrize("client", [Client(), GateClient()], ids=["view", "gate"])
def test_posts_that_are_stored_and_refused(client: Client, counts: Counts) -> None:
    for body in (b"{}", b"[1, 2]"):
        assert client.post("/in/demo/", body, JSON).status_code == 202
    assert client.post("/in/demo/", b"x" * (conf.source("demo").body_limit + 1), JSON).status_code == 413
    assert client.post("/in/nosuch/", b"{}", JSON).status_code == 404
    assert client.get("/in/demo/").status_code == 405
    found = counts.all()
    received = found["received", "demo"]
    assert (received.count, received.total, received.highest, sum(received.buckets)) == (2, 8.0, 6.0, 2)
    assert found["refused", "demo"].count == 1
    assert {label for name, label in found if name in {"received", "refused"}} == {"demo"}


def test_a_failure_is_a_refusal(counts: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("notifications.intake.capture_post.store", fail)
    client = Client(raise_request_exception=False)
    assert client.post("/in/demo/", b"{}", JSON).status_code == 503
    assert ("refused", "demo") in counts.all()
