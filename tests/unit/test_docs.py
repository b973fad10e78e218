"""What the documents say exists, and what exists is said."""

import re
from pathlib import Path

from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()


def test_env_example_lists_each_variable_of_the_settings() -> None:
    settings = (ROOT / "proppy" / "settings.py").read_text()
    read = set(re.findall(r'(?:env(?:\.\w+)?|_number)\(\s*"([A-Z0-9_]+)"', settings))
    listed = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert {name for name in listed if not name.startswith("AWS_")} == read


def test_commands_and_their_options_exist() -> None:
    for name, options in re.findall(r"manage\.py (\w+)([^`\n]*)", README):
        app = get_commands().get(name)
        assert app, name
        command = app if not isinstance(app, str) else load_command_class(app, name)
        known = set(command.create_parser("manage.py", name)._option_string_actions)
        assert set(re.findall(r"--[a-z-]+", options)) <= known, name


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for document in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"(?:`|^    )make ([a-z-]+)", (ROOT / document).read_text(), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_files_that_the_documents_name_exist() -> None:
    for document in ("README.md", "CONTRIBUTING.md"):
        for name in re.findall(
            r"`((?:notifications|proppy|tests|channels)/[\w/.]+\.py)`", (ROOT / document).read_text()
        ):
            places = (ROOT / name, ROOT / "notifications" / name)
            assert any(place.exists() for place in places) or "NAME" in name, name


def test_what_the_procfile_starts_exists() -> None:
    for name in re.findall(r"manage\.py (\w+)", (ROOT / "Procfile").read_text()):
        assert name in get_commands()
