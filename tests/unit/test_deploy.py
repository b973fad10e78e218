"""What systemd is to start exists, and systemd understands it."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import get_commands, load_command_class

from notifications.conf import conf
from tests.support.child import BASE_DIR

UNITS: Final = sorted((BASE_DIR / "deploy" / "systemd").glob("*.service"))
README: Final = (BASE_DIR / "deploy" / "README.md").read_text()
PYTHON: Final = "/opt/proppy/current/.venv/bin/python"
MANAGE: Final = "/opt/proppy/current/manage.py"


def commands(text: str) -> list[list[str]]:
    """The command lines of a unit, in words."""
    joined = text.replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^Exec\w+=[-+!:@]*(.+)$", joined, re.MULTILINE)]


def managed(unit: Path) -> list[list[str]]:
    """Those that run manage.py: the command and its arguments."""
    return [words[2:] for words in commands(unit.read_text()) if words[:2] == [PYTHON, MANAGE]]


def command(name: str) -> Any:
    app = get_commands()[name]
    return load_command_class(app, name) if isinstance(app, str) else app


def test_there_are_units() -> None:
    assert [unit.name for unit in UNITS if managed(unit)]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_each_command_of_a_unit_exists_and_takes_its_arguments(unit: Path) -> None:
    for name, *arguments in managed(unit):
        command(name).create_parser("manage.py", name).parse_args(arguments)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_each_setting_of_a_unit_is_explained(unit: Path) -> None:
    explained = False
    for line in unit.read_text().splitlines():
        if not line or line.startswith("["):
            explained = False
        elif line.startswith("#"):
            explained = True
        elif not line.startswith(("Description=", "User=", "EnvironmentFile=")):
            assert explained, line


@pytest.mark.services
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_each_unit(unit: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    there = tmp_path / unit.name
    there.write_text(unit.read_text().replace(PYTHON, "/bin/true"))
    done = subprocess.run(["systemd-analyze", "--man=no", "verify", there], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.services
def test_what_the_readme_adds_to_a_unit_is_understood(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    (block,) = [part for part in re.findall(r"(?:^    .*\n|^\n)+", README, re.MULTILINE) if "ExecStopPost" in part]
    alert = tmp_path / "proppy-alert@.service"
    alert.write_text((UNITS[0].parent / alert.name).read_text().replace(PYTHON, "/bin/true"))
    unit = tmp_path / "web.service"
    added = re.sub(r"^    ", "", block, flags=re.MULTILINE)
    unit.write_text(f"{added}\nExecStart=/bin/true\nRestart=always\n")
    done = subprocess.run(["systemd-analyze", "--man=no", "verify", unit], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_readme_names_what_exists() -> None:
    assert conf.follower_unit in README
    assert f"`{conf.alert_channel}` unless set" in README
    for path in re.findall(r"deploy/systemd/[\w@.-]+\.service", README):
        assert (BASE_DIR / path).exists(), path
    names = set(re.findall(r"\bNOTIFICATIONS_[A-Z_]+", README))
    source = (BASE_DIR / "notifications" / "conf.py").read_text()
    assert {name for name in names if f'"{name}"' not in source} == set()
    assert "ALERT_LOG_UNITS=" in (BASE_DIR / ".env.example").read_text()
