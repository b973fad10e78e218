"""The short soak: 12,000 requests, or more until each fault was there; `make soak` runs the long one.

It has the machine for itself.
"""

from pathlib import Path

import pytest

from tests.soak.run import Options, say, soak

pytestmark = [pytest.mark.services, pytest.mark.soak]
REQUESTS = 12_000


def test_nothing_fails_is_lost_or_done_twice_while_everything_around_breaks(tmp_path: Path) -> None:
    options = Options(REQUESTS, rate=150, fault_seconds=(0.5, 2), quiet_seconds=(0.2, 1), each_fault=True)
    result = soak(options, tmp_path / "plant", say)
    print(result.text(), *result.load.samples, *result.losses, *result.logs[-50:], sep="\n")
    assert result.load.raw_errors == 0
    # A 503 that is no friendly page is one; what a killed or frozen web server had in hand is none.
    assert result.load.errors == {}
    assert [effect for effect in result.effects if effect.missed] == []
    assert result.notes["payloads given up"] == result.notes["deliveries given up"] == 0
    # Of a process that was killed nobody knows whether its last events came, and that is reported. One that it was
    # writing may be missing by number, if another thread wrote the next one.
    killed = {_origin(loss) for loss in result.losses if "killed, or ended" in loss}
    assert [loss for loss in result.losses if _origin(loss) not in killed] == []
    assert result.exits == {}, "a process ended by itself"
    # It was a soak at all.
    assert result.load.sent >= REQUESTS
    assert len(result.faults.seconds) == 24  # each kind
    assert result.load.cut, "no web server was killed with requests in hand"
    assert all(tally.requests > tally.cut for tally in result.load.slow.tallies.values())
    assert all(effect.expected for effect in result.effects)


def _origin(loss: str) -> str:
    return loss.partition(" : ")[0]
