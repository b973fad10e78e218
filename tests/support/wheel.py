"""The engine as others install it."""

import subprocess
import sys
from pathlib import Path
from typing import Final

BUILD: Final = """
import sys
from flit_core import buildapi
print(getattr(buildapi, f"build_{sys.argv[1]}")(sys.argv[2]))
"""


def build(tree: Path, folder: Path, kind: str = "wheel") -> Path:
    """Build a wheel, or an sdist, of the tree in the folder, with the backend that is installed for the tests.

    AssertionError if a warning was printed.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BUILD, kind, str(folder)], cwd=tree, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{kind}: {done.stderr}"
    return folder / done.stdout.splitlines()[-1]
