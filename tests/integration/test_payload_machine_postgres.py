"""The life of payloads on PostgreSQL, against the model of tests/support/payload_machine.py."""

import pytest

from tests.support.payload_machine import run_machine

pytestmark = [
    pytest.mark.services,
    pytest.mark.xdist_group("postgres"),
    pytest.mark.usefixtures("postgres_database"),
]


def test_payloads_live_as_the_model_says() -> None:
    run_machine(lives=30)
