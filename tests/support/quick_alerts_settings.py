"""The site's settings, for alerts that come within seconds: what takes a minute, so that a restart is no alert."""

from typing import Any

from notifications.operations import watch
from notifications.operations.problem import KINDS
from notifications.workers import heartbeat
from proppy.settings import *  # noqa: F403

_quick: Any = {heartbeat: {"FROZEN": 3.0, "INTERVAL": 0.5}, watch: {"INTERVAL": 0.5, "OVER": 1.0, "PATIENCE": 1.0}}
for _module, _values in _quick.items():
    for _name, _value in _values.items():
        setattr(_module, _name, _value)
KINDS.update({name: kind._replace(patience=min(kind.patience, 3.0)) for name, kind in KINDS.items()})
