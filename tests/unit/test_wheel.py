"""The wheel has what the tree has, no more and no less, also where an earlier build has left its own."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

from tests.support.wheel import build

ROOT: Final = Path(__file__).resolve().parents[2]
#: Imports each module of an installed engine, and says where that is.
IMPORT_ALL: Final = """
import importlib, pkgutil, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import django
from django.conf import settings
apps = ["admin", "auth", "contenttypes", "messages"]
settings.configure(INSTALLED_APPS=[*(f"django.contrib.{app}" for app in apps), "notifications"])
django.setup()
import notifications
assert Path(notifications.__file__).is_relative_to(sys.argv[1]), notifications.__file__
for module in pkgutil.walk_packages(notifications.__path__, "notifications."):
    importlib.import_module(module.name)
    print(module.name)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine's folder as git has it, and what an earlier build with setuptools has left."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    shutil.copytree(ROOT / "notifications", tree / "notifications", ignore=shutil.ignore_patterns("__pycache__"))
    stale = tree / "build" / "lib" / "notifications" / "raw"
    stale.mkdir(parents=True)
    (stale / "__init__.py").touch()
    (stale / "store.py").write_text("raise RuntimeError('from an earlier build')\n")
    return tree


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `pip install` makes it."""
    return build(tree, tmp_path_factory.mktemp("wheel"))


def test_an_sdist_is_built_without_a_warning(tree: Path, tmp_path: Path) -> None:
    with tarfile.open(build(tree, tmp_path, "sdist")) as archive:
        names = archive.getnames()
    assert "pyproject.toml" in {Path(name).name for name in names}
    assert not any("/build/" in name for name in names)


def test_it_has_the_files_of_the_tree(wheel: Path, tree: Path) -> None:
    """With templates and static files."""
    there = {str(path.relative_to(tree)) for path in (tree / "notifications").rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == there
    assert {"notifications/templates/notifications/refused.html", "notifications/py.typed"} <= packed


def test_it_says_what_it_is(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    assert metadata["Version"] == project["version"]
    assert metadata.get_all("Provides-Extra") == ["postgres", "s3", "sqlite"]
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


@pytest.mark.parametrize(
    ("python", "platform", "machine", "has_wheel"),
    [
        *((f"3.{minor}", "linux", "x86_64", True) for minor in (11, 12, 13, 14)),
        ("3.14", "linux", "aarch64", False),
        ("3.14", "darwin", "x86_64", False),
        ("3.15", "linux", "x86_64", False),
    ],
)
def test_no_extra_asks_for_a_compiler(python: str, platform: str, machine: str, has_wheel: bool) -> None:
    """pysqlite3 as a source archive fails on a header that is not there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = map(Requirement, project["optional-dependencies"]["sqlite"])
    there = {"python_version": python, "sys_platform": platform, "platform_machine": machine}
    assert wanted.marker is not None
    assert wanted.marker.evaluate({**there, "implementation_name": "cpython"}) == has_wheel
    assert not wanted.marker.evaluate({**there, "implementation_name": "pypy"})


def test_the_version_is_that_of_the_newest_release() -> None:
    """A release names it in CHANGELOG.md, here, and in its tag: see CONTRIBUTING.md."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    released = re.findall(r"^## v?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[:1] in ([], [project["version"]])


def test_each_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "notifications").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_installed_alone_each_module_can_be_imported(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:  # a wheel of Python alone is installed by unpacking it
        archive.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "notifications.store.insert" in done.stdout.split()
