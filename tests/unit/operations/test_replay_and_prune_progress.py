"""What replay_raw and prune_raw show while they work: a bar on a terminal, lines elsewhere, with rate and time left."""

import re
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Final

import pytest
from django.core.management import call_command
from django.utils import timezone

from notifications.models import RawPayload, State
from notifications.operations import prune, replay_modes
from notifications.utils import progress
from tests.support.payloads import kept

pytestmark = pytest.mark.django_db

RATE: Final = r" +[\d.]+ payloads/s, 00:\d\d left"
CONTAINING: Final = ("--containing", "ada", "--since", "90 days ago", "--until", "now", "--yes")
#: What runs, the state of the payloads that it is for, where it is after each step, and how it ends. `--containing`
#: searches, then deletes.
CALLS: Final = [
    (("replay_raw",), State.DEAD, [2, 4, 5], "5 payloads will be processed again."),
    (("replay_raw", "--state", "quarantined"), State.QUARANTINED, [1, 2, 3, 4, 5], "0 payloads admitted, 5 still"),
    (("prune_raw", "--batch", "2"), State.DONE, [2, 4, 5], "5 payloads deleted."),
    (("prune_raw", *CONTAINING), State.DONE, [2, 4, 5, 2, 4, 5], "5 payloads deleted."),
]


class Terminal(StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def lines(out: StringIO, *arguments: str) -> list[str]:
    call_command(*arguments, stdout=out)
    return [each.rstrip() for each in re.split(r"[\r\n]", out.getvalue()) if each.strip()]


@pytest.fixture(autouse=True)
def _five(state: State, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Payloads of a month ago, and steps of two."""
    then = timezone.now() - timedelta(days=31)
    for number in range(5):
        kept(f"ada {number}".encode(), "demo")
    done_at = then if state == State.DONE else None
    RawPayload.objects.update(state=state, received_at=then, next_attempt_at=None, done_at=done_at)
    monkeypatch.setattr(replay_modes, "STEP", 2)
    monkeypatch.setattr(prune, "BATCH_BYTES", 2 * len("ada 0"))


@pytest.mark.parametrize(("arguments", "state", "steps", "end"), CALLS)
def test_on_a_terminal_a_bar(
    arguments: tuple[str, ...], steps: list[int], end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "REDRAWN", 0.0)
    shown = lines(Terminal(), *arguments)
    bars = [each for each in shown if "|" in each]
    assert re.fullmatch(r"  0 % \| {30}\| 0 of 5, \? payloads/s, \? left", bars[0])
    seen = [int(found[1]) for each in bars if (found := re.fullmatch(rf" *\d+ % \|.{{30}}\| (\d) of 5,{RATE}", each))]
    assert list(dict.fromkeys(seen)) == list(dict.fromkeys(steps))
    assert re.fullmatch(rf"100 % \|█{{30}}\| 5 of 5,{RATE}", bars[-1])
    assert any(each.startswith(end) for each in shown[shown.index(bars[-1]) :]), "in a line of its own"


@pytest.mark.parametrize(("arguments", "state", "steps", "end"), CALLS)
def test_without_a_terminal_lines_of_long_work(
    arguments: tuple[str, ...], steps: list[int], end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    shown = lines(StringIO(), *arguments)
    found = [line for line in shown if " % " in line]
    assert [re.sub(RATE, " …", line) for line in found] == [f"{20 * seen:3} %  {seen} of 5, …" for seen in steps]
    assert any(each.startswith(end) for each in shown[shown.index(found[-1]) :])


@pytest.mark.parametrize(("arguments", "state", "end"), [(call, state, end) for call, state, _, end in CALLS])
def test_without_a_terminal_short_work_has_none(arguments: tuple[str, ...], end: str) -> None:
    shown = lines(StringIO(), *arguments)
    assert any(each.startswith(end) for each in shown)
    assert not any(" % " in each for each in shown)
