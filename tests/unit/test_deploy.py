"""What systemd is to start exists, and systemd understands it."""

import os
import re
import shlex
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import get_commands, load_command_class

from deploy.operate.services import JOURNAL
from notifications.conf import conf
from tests.support.child import BASE_DIR, BIN

SYSTEMD: Final = BASE_DIR / "deploy" / "systemd"
UNITS: Final = sorted(SYSTEMD.glob("*.service"))
TIMERS: Final = sorted(SYSTEMD.glob("*.timer"))
SOCKETS: Final = sorted(SYSTEMD.glob("*.socket"))
#: All files of settings that deploy/install puts on a machine.
FOLDERS: Final = (SYSTEMD, BASE_DIR / "deploy" / "restarts", BASE_DIR / "deploy" / "sysusers.d")
SETTINGS: Final = [
    *sorted(path for folder in FOLDERS for path in folder.rglob("*") if path.is_file()),
    BASE_DIR / "deploy" / "journald@proppy.conf",
]
README: Final = (BASE_DIR / "deploy" / "README.md").read_text()
OPTION: Final = re.compile("--[a-z-]+")
RUN: Final = "/opt/proppy/current/deploy/run"


def commands(text: str) -> list[list[str]]:
    """The command lines of a unit, in words; what a shell only replaces itself by is the command."""
    joined = text.replace("\\\n", " ")
    lines = [shlex.split(line) for line in re.findall(r"^Exec\w+=[-+!:@]*(.+)$", joined, re.MULTILINE)]
    return [shlex.split(words[2])[1:] if words[2].startswith("exec ") else words for words in lines]


def managed(unit: Path) -> list[list[str]]:
    """Those that run manage.py: the command and its arguments."""
    return [words[3:] for words in commands(unit.read_text()) if words[:3] == [RUN, "python", "manage.py"]]


def command(name: str) -> Any:
    app = get_commands()[name]
    return load_command_class(app, name) if isinstance(app, str) else app


def test_there_are_units() -> None:
    assert [unit.name for unit in UNITS if managed(unit)]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_each_command_of_a_unit_exists_and_takes_its_arguments(unit: Path) -> None:
    for name, *arguments in managed(unit):
        command(name).create_parser("manage.py", name).parse_args(arguments)


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_each_setting_is_explained(path: Path) -> None:
    explained = False
    # The first lines say what the file is for: enough for one that sets a single thing.
    for line in path.read_text().splitlines():
        if not line:
            explained = False
        elif line.startswith("#"):
            explained = True
        elif not line.startswith(("[", "Description=", "User=", "ExecStart=", " ")):
            assert explained, line


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_each_program_of_a_unit_exists(unit: Path) -> None:
    for words in commands(unit.read_text()):
        if words[0] != RUN:
            assert words[0] == "/bin/sh", words
            continue
        assert os.access(BASE_DIR / "deploy" / "run", os.X_OK)
        assert shutil.which(words[1], path=BIN), words
        if words[2] == "-m":
            assert find_spec(words[3]), words


def test_what_the_target_wants_is_there() -> None:
    target = (SYSTEMD / "proppy.target").read_text()
    wanted = {name for line in re.findall("^Wants=(.*)$", target, re.MULTILINE) for name in line.split()}
    ours = {re.sub("@[0-9]+", "@", name) for name in wanted if name != JOURNAL}
    assert ours <= {path.name for path in SYSTEMD.iterdir()}


def test_all_services_end_before_the_journal_of_events() -> None:
    """systemd stops in the reverse order, and a socket's service is another unit than the socket."""
    common = (SYSTEMD / "proppy-.service.d" / "10-common.conf").read_text()
    assert f"\nAfter={JOURNAL}\n" in common
    assert f"\nWants={JOURNAL}\n" in (SYSTEMD / "proppy.target").read_text()
    assert {unit.name.partition("-")[0] for unit in UNITS} == {"proppy"}, "whose names the common settings go by"


@pytest.mark.services
@pytest.mark.parametrize("unit", UNITS + TIMERS + SOCKETS, ids=lambda unit: unit.name)
def test_systemd_understands_each_unit(unit: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    for path in UNITS + TIMERS + SOCKETS:
        (tmp_path / path.name).write_text(path.read_text().replace(RUN, "/bin/true"))
    shutil.copytree(SYSTEMD / "proppy-.service.d", tmp_path / "proppy-.service.d")
    there = tmp_path / unit.name.replace("@", "@1")
    there.write_text((tmp_path / unit.name).read_text())
    done = subprocess.run(["systemd-analyze", "--man=no", "verify", there], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.services
def test_what_the_readme_adds_to_a_unit_is_understood(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    (block,) = [part for part in re.findall(r"(?:^    .*\n|^\n)+", README, re.MULTILINE) if "ExecStopPost" in part]
    alert = tmp_path / "proppy-alert@.service"
    alert.write_text((UNITS[0].parent / alert.name).read_text().replace(RUN, "/bin/true"))
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


def test_the_template_names_settings_that_exist() -> None:
    template = (BASE_DIR / "deploy" / "env.template").read_text()
    known = set(re.findall(r"^([A-Z0-9_]+)=", (BASE_DIR / ".env.example").read_text(), re.MULTILINE))
    units = set(re.findall(r"(?:Environment=| )([A-Z_]+)=", "".join(unit.read_text() for unit in UNITS)))
    assert set(re.findall(r"^#?([A-Z0-9_]+)=", template, re.MULTILINE)) <= known | units
    secrets = template.partition("SECRET_KEY (already there)")[2].partition("\n\n")[0]
    assert set(re.findall(r"\b[A-Z0-9]+_[A-Z0-9_]+\b", secrets)) <= known


def test_the_readme_names_files_and_commands_that_exist() -> None:
    for path in re.findall(r"(?<![\w/])(?:deploy|docs)/[\w/@.-]*[\w]", README):
        assert (BASE_DIR / path).exists(), path
    for path in re.findall(r"/opt/proppy/current/([\w/.]+)", README):
        assert (BASE_DIR / path).exists(), path
    for name, options in re.findall(r"proppy-manage (\w+)([^`\n]*)", README):
        known = set(OPTION.findall(command(name).create_parser("manage.py", name).format_help()))
        assert set(OPTION.findall(options)) <= known, name
    for name in re.findall(r"\b(proppy-(?:manage|restart))\b", README):
        assert os.access(BASE_DIR / "deploy" / name, os.X_OK)


def test_requests_have_the_cores_and_the_disk_before_the_workers() -> None:
    weights = {
        unit.name: dict(re.findall(r"^(CPUWeight|IOWeight)=(\d+)$", unit.read_text(), re.MULTILINE)) for unit in UNITS
    }
    workers = {"proppy-follow-journal.service", "proppy-process-raw.service"}
    for name in workers:
        assert {key: int(value) for key, value in weights[name].items()} == {"CPUWeight": 20, "IOWeight": 20}
    assert weights["proppy-web@.service"] == {}  # systemd's default is 100
    started = (BASE_DIR / "Procfile").read_text()
    assert all(f"nice -n 10 python manage.py {name}" in started for name in ("follow_journal", "process_raw"))
