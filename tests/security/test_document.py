"""SECURITY.md names what exists, and all that is here."""

import re
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
DOCUMENT: Final = (ROOT / "SECURITY.md").read_text()


def test_the_tests_and_files_that_it_names_exist() -> None:
    named = re.findall(r"`((?:tests|deploy)/[\w./-]+)`", DOCUMENT)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_each_test_of_security_is_named_and_exists() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", DOCUMENT))
    assert named == {path.name for path in HERE.glob("test_*.py")} - {Path(__file__).name}


def test_the_units_are_those_that_there_are() -> None:
    units = {path.name.partition(".")[0] for path in (ROOT / "deploy" / "systemd").glob("proppy-*.service")}
    assert {unit for unit in units if f"`{unit}`" not in DOCUMENT} == set()


def test_it_is_short() -> None:
    assert len(DOCUMENT.splitlines()) < 120
