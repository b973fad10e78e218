"""Imports follow the arrows of the README's drawing and never run back."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ENGINE = sorted((ROOT / "notifications").rglob("*.py"))
SITE = sorted((ROOT / "proppy").rglob("*.py"))

WORKERS = (
    r"notifications\.(worker|follow|housekeeping|chores|raw\.("
    r"process_raw|handling|time_limit|listen|presence|spool_import|give_way|totals|move_bodies|checkpoints|session))\b"
)
DESTINATIONS = r"notifications\.channels\b|\w+\.handlers\b"
#: What a process that answers requests loads. notifications.handlers is the registry, not somebody's handlers.
REQUEST_SIDE = {
    f"notifications.{name}"
    for name in [
        "events",
        "outbox",
        "intake",
        "raw.store",
        "raw.spool",
        "raw_body",
        "views",
        "health",
        "middleware",
        "metrics",
        "raw.wake",
        "raw.limits",
        "wsgi",
    ]
} | {"proppy.views", "proppy.middleware", "proppy.forms", "proppy.urls", "proppy.wsgi"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def matching(path: Path, pattern: str) -> set[str]:
    return {name for name in imports(path) if re.match(pattern, name)}


@pytest.mark.parametrize("path", [path for path in ENGINE + SITE if name_of(path) in REQUEST_SIDE], ids=name_of)
def test_what_answers_requests_knows_neither_workers_nor_destinations(path: Path) -> None:
    assert matching(path, f"{WORKERS}|{DESTINATIONS}") - {"notifications.handlers"} == set()


@pytest.mark.parametrize("path", sorted((ROOT / "notifications" / "channels").glob("*.py")), ids=name_of)
def test_channels_know_no_worker(path: Path) -> None:
    assert matching(path, WORKERS) == set()


@pytest.mark.parametrize("path", sorted((ROOT / "notifications" / "journal").glob("*.py")), ids=name_of)
def test_journals_know_no_events(path: Path) -> None:
    assert matching(path, r"notifications\.(?!journal|forks|folders)|django") == set()


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_the_engine_knows_nothing_of_the_site_nor_of_the_environment(path: Path) -> None:
    assert matching(path, r"proppy\b|tests\b") == set()
    assert "os.environ" not in path.read_text()
    # Only the worker loop sleeps; and a process that exits, between two tries to hand over what waits.
    assert "time.sleep" not in path.read_text() or name_of(path) == "notifications.bounded_queue"


def test_only_the_settings_read_the_environment() -> None:
    readers = {name_of(path) for path in SITE if "environ" in path.read_text()}
    # wsgi names the settings; local writes the environment of what it starts; web_server reads what systemd hands over.
    others = {"proppy.wsgi", "proppy.local", "proppy.web_server", "proppy.checks"}
    assert readers <= {"proppy.settings", "proppy.environment"} | others
