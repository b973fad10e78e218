"""The release that projects come from when they take this tree's: what is installed, upgraded and gone back to."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.child import BASE_DIR
from tests.support.wheel import build

#: Both change after each release, to that one: CONTRIBUTING.md, "Make a release".
VERSION: Final = "0.1.0"
COMMIT: Final = "273170cd8a15ba3c06486b04836e4de8db59478d"
FILES: Final = ("notifications", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="session")
def wheel_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of that release, from git's history."""
    if _git("cat-file", "-e", f"{COMMIT}^{{commit}}").returncode:
        pytest.skip(f"{VERSION} ({COMMIT[:7]}) is not in this clone: git fetch --unshallow")
    folder = tmp_path_factory.mktemp("before")
    packed = _git("archive", COMMIT, *FILES)
    assert packed.returncode == 0, packed.stderr
    subprocess.run(["tar", "--extract"], cwd=folder, input=packed.stdout, check=True)
    made = build(folder, tmp_path_factory.mktemp("wheel-before"))
    assert made.name.startswith(f"proppy-{VERSION}-")
    return made


def _git(*words: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", *words], cwd=BASE_DIR, capture_output=True, check=False)
