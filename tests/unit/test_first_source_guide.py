"""What docs/first-source.md says works as it says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from notifications.handlers import payload_handlers
from notifications.testing import Told

ROOT = Path(__file__).resolve().parents[2]
SETTING, HANDLER, TEST = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "first-source.md").read_text(), re.DOTALL)


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    settings.NOTIFICATIONS_SOURCES = settings.NOTIFICATIONS_SOURCES | {
        "stripe": {"http": True, "signature": "stripe", "secrets": ["whsec_first_steps"]}
    }
    exec(HANDLER, {"__name__": "shop.handlers"})
    yield
    payload_handlers.pop("stripe")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("handler", "state_dir")
def test_its_test_passes(told: Told) -> None:
    namespace: dict[str, Any] = {}
    exec(TEST, namespace)
    namespace["test_a_charge_is_told"](told)


@pytest.mark.usefixtures("handler")
def test_nothing_is_left_to_do() -> None:
    assert '"signature": "stripe"' in SETTING
    assert run_checks() == []


def test_the_check_says_what_it_says(settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = settings.NOTIFICATIONS_SOURCES | {"stripe": {"http": True}}
    (message,) = run_checks()
    guide = (ROOT / "docs" / "first-source.md").read_text()
    assert f"({message.id}) {message.msg}" in guide
    assert f"HINT: {message.hint}" in guide
