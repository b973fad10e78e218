"""The settings of tests/app_settings.py, and a line in the log for each post that is answered at the gate."""

import sys
from typing import Any, Final

from notifications.signals import gate_answered
from tests.app_settings import *  # noqa: F403

HEARD: Final = "answered at the gate"


def _hear(**_: Any) -> None:
    sys.stderr.write(f"{HEARD}\n")
    sys.stderr.flush()


gate_answered.connect(_hear)
