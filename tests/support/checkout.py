"""This working tree as it is, elsewhere."""

import shutil
import subprocess
from pathlib import Path

from tests.support.child import BASE_DIR


def copy_working_tree(target: Path) -> None:
    """Copy what git has or would add, with all changes, into the folder `target`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=BASE_DIR, capture_output=True, check=True
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (BASE_DIR / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(BASE_DIR / name, target / name)
