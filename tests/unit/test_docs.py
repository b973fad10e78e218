"""What the documents say exists, and what exists is said."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.utils.module_loading import import_string

from notifications.follow import delivery

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_env_example_lists_each_variable_of_the_settings() -> None:
    settings = (ROOT / "proppy" / "settings.py").read_text()
    read = set(re.findall(r'(?:env(?:\.\w+)?|_number)\(\s*"([A-Z0-9_]+)"', settings))
    listed = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    # The one is read by boto3 itself, the other set by systemd.
    assert listed - {"AWS_DEFAULT_REGION"} == read - {"NOTIFY_SOCKET"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_and_their_options_exist(document: str) -> None:
    for name, options in re.findall(r"manage\.py (\w+)([^`\n]*)", (ROOT / document).read_text()):
        app = get_commands().get(name)
        assert app, name
        command = app if not isinstance(app, str) else load_command_class(app, name)
        known = set(command.create_parser("manage.py", name)._option_string_actions)
        assert set(re.findall(r"--[a-z-]+", options)) <= known, name


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for document in DOCUMENTS:
        for target in re.findall(r"(?:`|^    )make ([a-z-]+)", (ROOT / document).read_text(), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_files_that_the_documents_name_exist() -> None:
    for document in DOCUMENTS:
        for name in re.findall(
            r"`((?:notifications|proppy|tests|channels)/[\w/.]+\.py)`", (ROOT / document).read_text()
        ):
            places = (ROOT / name, ROOT / "notifications" / name)
            assert any(place.exists() for place in places) or "NAME" in name, name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_settings_that_the_documents_name_exist(document: str) -> None:
    names = set(re.findall(r"\bNOTIFICATIONS_[A-Z_]+", (ROOT / document).read_text()))
    conf = (ROOT / "notifications" / "conf.py").read_text()
    assert names or document != "README.md"
    assert {name for name in names if f'"{name}"' not in conf} == set()


def test_examples_are_python_whose_imports_exist() -> None:
    assert EXAMPLES
    for example in EXAMPLES:
        for node in ast.walk(ast.parse(example)):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    import_string(f"{node.module}.{alias.name}")


def test_classes_that_the_documents_name_exist() -> None:
    paths = re.findall(r'"(notifications\.\w+(?:\.\w+)*\.[A-Z]\w+)"', README)
    assert len(paths) >= 3
    for path in paths:
        import_string(path)


def test_the_readme_knows_the_attempts_and_the_size_limit() -> None:
    assert f"is tried {delivery.BUGGY_ATTEMPTS} times" in README
    assert "RAW_MAX_BODY_BYTES=10485760\n" in (ROOT / ".env.example").read_text()
    assert "10 MiB (`RAW_MAX_BODY_BYTES`" in README


def test_what_an_installed_engine_needs_is_what_the_site_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    site = {line.replace('"', "'") for line in (ROOT / "requirements" / "base.in").read_text().splitlines()}
    assert set(project["dependencies"]) <= site


def test_what_the_procfile_starts_exists() -> None:
    for name in re.findall(r"manage\.py (\w+)", (ROOT / "Procfile").read_text()):
        assert name in get_commands()
