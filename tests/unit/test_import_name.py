"""django-notifications-hq has our import name: pip writes one over the other, and we say so.

What pip does was seen with version 1.8.3 of the real one: `THEIRS` are those of its files that matter.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
OURS: Final = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted((ROOT / "notifications").rglob("*"))
    if path.is_file() and "__pycache__" not in path.parts
}
THEIRS: Final = {
    "notifications/__init__.py": '"""\n    django-notifications-hq\n"""\n\n__version__ = "1.8.3"\n',
    "notifications/admin.py": "from notifications.models import Notification\n",
    "notifications/apps.py": (
        "from django.apps import AppConfig\n\n\nclass Config(AppConfig):\n    name = 'notifications'\n"
    ),
    "notifications/base/__init__.py": "",
    "notifications/base/models.py": "",
    "notifications/migrations/0001_initial.py": "",
    "notifications/migrations/__init__.py": "",
    "notifications/models.py": "",
    "notifications/settings.py": "",
    "notifications/signals.py": "from django.dispatch import Signal\n\nnotify = Signal()\n",
    "notifications/urls.py": "",
    "notifications/utils.py": "",
    "notifications/views.py": "",
}
SETUP: Final = """
import sys
sys.path[:0] = sys.argv[1:]
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "notifications"], DATABASES={})
django.setup()
"""
CHECK: Final = SETUP + "from django.core.management import call_command\ncall_command('check')\n"


def install(folder: Path, name: str, files: dict[str, str]) -> None:
    """As pip does: files that are there are overwritten."""
    about = f"{name.replace('-', '_')}-1.0.dist-info"
    record = "".join(f"{path},sha256=x,1\n" for path in files)
    about_files = {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/RECORD": record,
    }
    for path, text in (files | about_files).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def uninstall(folder: Path, name: str, files: dict[str, str]) -> None:
    """As pip does: also those that another package has written over."""
    for path in files:
        (folder / path).unlink(missing_ok=True)
    shutil.rmtree(folder / f"{name.replace('-', '_')}-1.0.dist-info")


def run(code: str, *folders: Path) -> str:
    """What a process with these folders of packages prints on stderr."""
    command = [sys.executable, "-c", code, *map(str, folders)]
    return subprocess.run(command, cwd=folders[0], capture_output=True, text=True, check=False).stderr


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    return folder


def test_alone_it_starts(packages: Path) -> None:
    install(packages, "proppy", OURS)
    assert run(SETUP, packages) == ""


@pytest.mark.parametrize("ours_first", [True, False])
def test_one_written_over_the_other_is_named_before_it_fails_elsewhere(packages: Path, ours_first: bool) -> None:
    both = [("proppy", OURS), ("django-notifications-hq", THEIRS)]
    for name, files in both if ours_first else reversed(both):
        install(packages, name, files)
    error = run(SETUP, packages).splitlines()[-1]
    assert error.startswith("django.core.exceptions.ImproperlyConfigured")
    assert "has files of django-notifications-hq among those of proppy: base" in error
    assert "If the name is taken" in error


def test_what_its_removal_has_taken_along_is_named(packages: Path) -> None:
    install(packages, "proppy", OURS)
    install(packages, "django-notifications-hq", THEIRS)
    uninstall(packages, "django-notifications-hq", THEIRS)
    error = run(SETUP, packages).splitlines()[-1]
    assert "has no __init__.py: the removal of another package took it along" in error
    assert "If the name is taken" in error


@pytest.mark.slow
def test_one_that_we_hide_is_an_error_of_check(tmp_path: Path) -> None:
    folders = [tmp_path / "ours", tmp_path / "theirs"]
    install(folders[0], "proppy", OURS)
    install(folders[1], "django-notifications-hq", THEIRS)
    errors = run(CHECK, *folders)
    assert "(notifications.E030) django-notifications-hq is hidden" in errors
    assert "If the name is taken" in errors


def test_without_docstrings_ours_is_still_ours() -> None:
    subprocess.run([sys.executable, "-OO", "-c", "import notifications"], cwd=ROOT, check=True)
