"""Imports run one way: down the floors of docs/architecture.md, never back, also where a function imports."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
ENGINE: Final = sorted((ROOT / "notifications").rglob("*.py"))
SITE: Final = sorted((ROOT / "proppy").rglob("*.py"))

#: Rooms: the folders, and the files of the root. From the top; each imports only what is on floors below.
FLOORS: Final = (
    "management urls templatetags",
    "follow_journal admin apps doctor health testing",
    "status checks losses __init__ views asgi wsgi",
    "process_raw intake operations",
    "channels middleware store positions",
    "handlers log",
    "models",
    "http workers backends patience",
    "events bodies",
    "journal database metrics proxies",
    "conf errors signals sqlite",
    "utils",
)
FLOOR_OF: Final = {room: floor for floor, rooms in enumerate(reversed(FLOORS)) for room in rooms.split()}
#: What answers requests, and what must not run there.
REQUEST: Final = ["urls", "views", "asgi", "wsgi", "middleware", "health", "status", "intake", "store", "admin"]
WORKERS: Final = {"follow_journal", "process_raw", "channels", "losses", "checks"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """The folder below `notifications`, or the file of its root."""
    return module.split(".")[1] if "." in module else "__init__"


MODULES: Final = {name_of(path): path for path in ENGINE if "migrations" not in path.parts}


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@cache
def imports(path: Path, *, types: bool = True) -> frozenset[str]:
    """What a file imports, also in its functions; and for its `types` alone."""
    found = set()
    tree = ast.parse(path.read_text())
    if not types:
        tree.body = [node for node in tree.body if not is_for_types(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: imports name their module in full"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def modules_of(path: Path, *, types: bool = True) -> set[str]:
    """The engine's modules that a file names. `from a import b` where b is a module is an import of b alone."""
    found = imports(path, types=types) & MODULES.keys()
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


def modules_below(room: str) -> set[str]:
    """The transitive closure of what the modules of a room import."""
    reached, left = set[str](), {name for name in MODULES if room_of(name) == room}
    while left:
        reached |= left
        left = {to for name in left for to in modules_of(MODULES[name])} - reached
    return reached


def matching(path: Path, pattern: str) -> set[str]:
    return {name for name in imports(path) if re.match(pattern, name)}


def test_each_room_is_on_one_floor_and_each_floor_has_only_rooms_that_are_there() -> None:
    named = " ".join(FLOORS).split()
    assert sorted(named) == sorted({room_of(name) for name in MODULES})


def test_the_architecture_page_has_these_floors() -> None:
    page = (
        (ROOT / "docs" / "architecture.md")
        .read_text()
        .replace("what `from notifications import …` gives", "`__init__`")
    )
    rows = re.findall(r"^\| \d+ \| (.*) \|$", page, re.MULTILINE)
    assert [sorted(re.findall(r"`(\w+)/?`", row)) for row in rows] == [sorted(rooms.split()) for rooms in FLOORS]


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_down(module: str) -> None:
    room = room_of(module)
    others = {to for to in modules_of(MODULES[module]) if room_of(to) != room}
    assert {to for to in others if FLOOR_OF[room_of(to)] >= FLOOR_OF[room]} == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {name: modules_of(path, types=False) - {name} for name, path in MODULES.items()}
    while free := {name for name, others in left.items() if not others & left.keys()}:
        for name in free:
            del left[name]
    assert left == {}


@pytest.mark.parametrize("room", REQUEST)
def test_what_answers_requests_knows_neither_workers_nor_destinations(room: str) -> None:
    assert {name for name in modules_below(room) if room_of(name) in WORKERS} == set()


def test_a_process_that_answers_requests_has_loaded_neither_workers_nor_destinations() -> None:
    code = (
        "import sys; from proppy.wsgi import application; from django.urls import get_resolver;"
        "get_resolver().reverse_dict; print(*sys.modules)"  # it is made of all URLs, included ones too
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    apps = "|".join({path.parent.name for path in ROOT.glob("*/apps.py")} - {"notifications"})
    unwanted = rf"notifications\.({'|'.join(WORKERS)})\.|notifications\.channels\b|({apps})\.handlers$"
    assert "notifications.views" in loaded.stdout.split()
    assert [name for name in loaded.stdout.split() if re.match(unwanted, name)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "notifications" / "journal").rglob("*.py")), ids=name_of)
def test_journals_know_no_django(path: Path) -> None:
    assert matching(path, "django") == set()


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_the_engine_knows_nothing_of_the_site_nor_of_the_environment(path: Path) -> None:
    assert matching(path, r"proppy\b|tests\b") == set()
    assert "os.environ" not in path.read_text()
    # Only the worker loop sleeps; and a process that exits, between two tries to hand over what waits.
    assert "time.sleep" not in path.read_text() or name_of(path) == "notifications.utils.bounded_queue"


def test_only_the_settings_read_the_environment() -> None:
    readers = {name_of(path) for path in SITE if "environ" in path.read_text()}
    # wsgi names the settings; local writes the environment of what it starts; web_server reads what systemd hands over,
    # and so does the package, where the settings themselves may fail.
    others = {"proppy", "proppy.wsgi", "proppy.local", "proppy.web_server", "proppy.checks"}
    assert readers <= {"proppy.settings", "proppy.environment"} | others
