"""A stranger who posts to /in/<source>/, to the view and through the gate in front of Django."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from notifications.intake.gate.gate import open_gate
from notifications.testing import GateClient
from tests.support.gate_calls import AtGate
from tests.support.stranger import Posts


@pytest.fixture(params=[Client, GateClient], ids=["view", "gate"])
def way_in(request: pytest.FixtureRequest) -> Any:
    """Django's test client does not see the gate."""
    if request.param is GateClient:
        assert open_gate() is not None
    return request.param


@pytest.fixture
def stranger(way_in: type[Client]) -> Client:
    return way_in()


@pytest.fixture
def posts(way_in: type[Client]) -> Iterator[Posts]:
    at_gate = AtGate()
    yield Posts(at_gate, way_in)
    at_gate.close()
