"""Which requests a web server had in hand that was killed or frozen, and what may be missing because of it."""

import os
import socket
import time
import uuid
from collections import Counter
from types import SimpleNamespace

import pytest

from notifications.http.idempotency import receipt_for
from tests.soak import held as soak_held
from tests.soak.held import INTERVAL, REQUEST, UNDER_WAY, Grip, Held, Line, connections
from tests.soak.ledger import Ledger

BODY, OTHER = b"a body", b"another one"


def digest(ledger: Ledger, body: bytes) -> bytes:
    receipt = uuid.uuid4()
    ledger.taken("quick", receipt, body)
    return ledger.bodies.pop(receipt)


def test_the_connections_of_a_process_are_those_that_it_has_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as one, socket.create_connection(("127.0.0.1", port)) as two:
            taken, _ = listener.accept()
            assert connections(os.getpid(), port) == {one.getsockname()[1]}
            with listener.accept()[0]:
                assert connections(os.getpid(), port) == {one.getsockname()[1], two.getsockname()[1]}
            taken.close()
            assert connections(os.getpid(), port) == set()


def test_cut_is_what_was_sent_on_a_connection_of_a_killed_process() -> None:
    killed = Held(Grip("killed", 7, frozenset({1000}), at=50.0))
    assert killed.cut(Line(1000, opened=40.0, sent=49.0)) == "killed"
    assert killed.cut(Line(1000, opened=40.0, sent=51.0)) == "killed"  # the client did not know yet
    assert not killed.cut(Line(1000, opened=51.0, sent=51.0))  # the port is another connection's by now
    assert not killed.cut(Line(1001, opened=40.0, sent=49.0))
    assert not killed.cut(None)


def test_what_is_sent_to_a_process_that_goes_on_is_not_excused() -> None:
    frozen = Held(Grip("frozen", 7, frozenset({1000}), at=50.0, until=55.0))
    assert frozen.cut(Line(1000, opened=40.0, sent=54.0)) == "frozen"
    assert not frozen.cut(Line(1000, opened=40.0, sent=56.0))


def test_in_doubt_is_what_a_killed_process_has_answered_last(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    both = Held(Grip("killed", 7, frozenset(), at=now), Grip("frozen", 8, frozenset(), at=now, until=now + 1))
    for process in (7, 8, 9):
        for ago in (INTERVAL + UNDER_WAY + 1, INTERVAL, UNDER_WAY / 2):
            monkeypatch.setattr(soak_held, "time", SimpleNamespace(monotonic=lambda at=now - ago: at))
            both.answered(process, REQUEST)
            both.answered(process, "sign-up")
    assert both.in_doubt() == Counter({REQUEST: 2, "sign-up": 1})


def test_a_cut_post_may_be_stored_once() -> None:
    ledger = Ledger()
    ledger.cut("quick", BODY)
    first, second = uuid.uuid4(), uuid.uuid4()
    rows = [(first, "quick", digest(ledger, BODY)), (second, "quick", digest(ledger, BODY))]
    found, strange = ledger.stored_unsure(rows)
    assert (list(found), strange, ledger.unsure) == ([first], 1, 1)


def test_a_cut_post_with_a_key_is_stored_under_the_receipt_of_its_key() -> None:
    ledger, receipt = Ledger(), receipt_for("quick", "k")
    ledger.cut("quick", BODY, key="k")
    ours, others = digest(ledger, BODY), digest(ledger, OTHER)
    assert ledger.stored_unsure([(receipt, "quick", ours)])[1] == 0
    assert ledger.stored_unsure([(receipt, "quick", others)])[1] == 1
    assert ledger.stored_unsure([(uuid.uuid4(), "quick", ours)])[1] == 1
    ledger.taken("quick", receipt, BODY)  # sent again, and answered
    assert (ledger.unsure, ledger.stored_unsure([(receipt, "quick", ours)])) == (0, ({}, 0))
    ledger.cut("quick", BODY, key="k")  # and once more, without an answer
    assert ledger.unsure == 0


def test_what_nobody_has_sent_is_strange() -> None:
    ledger = Ledger()
    ledger.cut("contact", BODY, valid=True)
    assert ledger.stored_unsure([(uuid.uuid4(), "quick", digest(ledger, BODY))]) == ({}, 1)
