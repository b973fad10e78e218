"""SIGINT while a process starts ends it by KeyboardInterrupt, not by a segmentation fault."""

import signal
import subprocess
import sys
from typing import Final

import pytest

from tests.support.child import BASE_DIR

#: Interrupts itself as soon as a module is looked for.
CODE: Final = """
import os, signal, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder)
import notifications
"""


@pytest.mark.parametrize("module", ["dataclasses", "datetime", "uuid", "orjson"])
def test_an_interrupt_while_modules_are_loaded(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", CODE, module], cwd=BASE_DIR, capture_output=True, text=True)
    assert done.returncode in {-signal.SIGINT, 1, 0}, done.stderr
    assert ("KeyboardInterrupt" in done.stderr) == (done.returncode != 0)
