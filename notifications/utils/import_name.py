"""Whose files are these? django-notifications-hq installs a package of our import name, over ours or beside it.

pip says nothing. What is left is half of each: here it gets a name, before it fails somewhere else.
"""

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

from django.core.exceptions import ImproperlyConfigured

PACKAGE: Final = "notifications"
FOLDER: Final = Path(__file__).resolve().parents[1]
#: In the folder of django-notifications-hq, and never in ours.
STRANGE: Final = ("base", "helpers.py", "models.py", "settings.py", "utils.py")
#: How our own `__init__.py` begins.
OURS: Final = "The engine: "
#: `python -OO` leaves docstrings out.
NO_DOCSTRINGS: Final = 2
#: A file that only we have, and any file of a package of this name, in a distribution's RECORD.
OUR_FILE: Final = f"{PACKAGE}/events/emit.py,"
ANY_FILE: Final = re.compile(rf"^{PACKAGE}/", re.MULTILINE)
ADVICE: Final = (
    "Both are imported as `notifications`, so one environment has room for one of them. Uninstall both, then install"
    ' the one that you use; docs/your-project.md, "If the name is taken".'
)


def check_folder() -> None:
    """Raise ImproperlyConfigured if files of another package are among ours, or over them, or took ours along."""
    init = sys.modules[PACKAGE]
    if getattr(init, "__file__", None) is None:
        raise ImproperlyConfigured(
            f"{FOLDER} has no __init__.py: the removal of another package took it along. {ADVICE}"
        )
    found = [name for name in STRANGE if (FOLDER / name).exists()]
    if sys.flags.optimize < NO_DOCSTRINGS and not (init.__doc__ or "").startswith(OURS):
        found.append("__init__.py")
    if found:
        whose = ", ".join(others()) or "another package"
        raise ImproperlyConfigured(f"{FOLDER} has files of {whose} among those of proppy: {', '.join(found)}. {ADVICE}")


def others() -> list[str]:
    """Names of the installed distributions, besides ours, that have a package of our import name."""
    records = {dist.metadata["Name"]: dist.read_text("RECORD") or "" for dist in metadata.distributions()}
    return sorted(name for name, files in records.items() if ANY_FILE.search(files) and OUR_FILE not in files)


check_folder()
