"""What the documents say exists, and what exists is said."""

import ast
import re
import tomllib
from dataclasses import MISSING, fields
from itertools import chain
from pathlib import Path
from typing import Final

import pytest
from django.core.management import get_commands, load_command_class
from django.utils.module_loading import import_string
from packaging.requirements import Requirement

from notifications.bodies.storage import LARGE
from notifications.conf import UNSIGNED_RATE, Source, conf
from notifications.errors import IntakeError
from notifications.follow_journal import delivery
from tests.support.pairs import PAIRS

ROOT: Final = Path(__file__).resolve().parents[2]
OPTION: Final = re.compile("--[a-z-]+")
DOCUMENTS: Final = (
    *("README.md", "CONTRIBUTING.md"),
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
)
TEXTS: Final = {name: (ROOT / name).read_text() for name in DOCUMENTS}
EXAMPLES: Final = [
    example for text in TEXTS.values() for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]


def page(name: str) -> str:
    """A page of docs/, on one line."""
    return " ".join(TEXTS[f"docs/{name}"].split())


def table(name: str, heading: str) -> str:
    """A section of a page of docs/."""
    return TEXTS[f"docs/{name}"].partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def test_the_readme_is_short() -> None:
    assert len(TEXTS["README.md"].splitlines()) < 150


def test_env_example_lists_each_variable_of_the_settings() -> None:
    settings = (ROOT / "proppy" / "settings.py").read_text()
    read = set(re.findall(r'env(?:\.\w+)?\(\s*"([A-Z0-9_]+)"', settings))
    listed = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    # The one is read by boto3 itself, the others set by systemd and make run.
    assert listed - {"AWS_DEFAULT_REGION"} == read - {"NOTIFY_SOCKET", "JOURNAL_STREAM", "PIPED_TO_TERMINAL"}


def test_what_the_web_server_reads_itself_is_said_not_to_come_from_a_file() -> None:
    read = set(re.findall(r'environ\.get\("([A-Z_]+)"', (ROOT / "proppy" / "web_server.py").read_text()))
    read -= {"JOURNAL_STREAM"}  # set by systemd
    for document in (".env.example", "docs/settings.md"):
        text = (ROOT / document).read_text()
        assert {name for name in read if not re.search(rf"\b{name}\b", text)} == {
            name for name in read if name.startswith("GRANIAN_")
        }


def test_each_source_of_the_examples_has_a_handler() -> None:
    settings = [example.partition("NOTIFICATIONS_SOURCES = ")[2] for example in EXAMPLES]
    sources = set(re.findall(r'"([\w-]+)": \{', "".join(settings)))
    assert {"demo", "stripe", "welcome"} <= sources
    assert sources <= set(re.findall(r'@on_payload\("([\w-]+)"', "".join(EXAMPLES)))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_and_their_options_exist(document: str) -> None:
    for name, options in re.findall(r"manage\.py (\w+)([^`\n]*)", TEXTS[document]):
        app = get_commands().get(name)
        assert app, name
        command = app if not isinstance(app, str) else load_command_class(app, name)
        known = set(OPTION.findall(command.create_parser("manage.py", name).format_help()))
        assert set(OPTION.findall(options)) <= known, name


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for document in DOCUMENTS:
        for target in re.findall(r"(?:`|^    )make ([a-z-]+)", TEXTS[document], re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_the_documents_name_exist(document: str) -> None:
    for name in re.findall(r"`((?:notifications|proppy|tests|deploy|channels|docs)/[\w/.-]+)`", TEXTS[document]):
        places = (ROOT / name, ROOT / "notifications" / name)
        assert any(place.exists() for place in places) or "NAME" in name, name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_settings_that_the_documents_name_exist(document: str) -> None:
    names = set(re.findall(r"\bNOTIFICATIONS_[A-Z_]+", TEXTS[document]))
    conf = (ROOT / "notifications" / "conf.py").read_text()
    assert {name for name in names if f'"{name}"' not in conf} == set()


def test_the_settings_page_has_each_setting_of_the_engine() -> None:
    listed = re.findall(r"^\| `(NOTIFICATIONS_[A-Z_]+)` \|", TEXTS["docs/settings.md"], re.MULTILINE)
    read = re.findall(r'settings, "(NOTIFICATIONS_[A-Z_]+)"', (ROOT / "notifications" / "conf.py").read_text())
    assert sorted(listed) == sorted(set(read))


def test_the_settings_page_has_each_option_of_a_source_and_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", table("settings.md", "## Sources"), re.MULTILINE)
    assert {name: ast.literal_eval(default) for name, default in rows} == {
        option.name: option.default for option in fields(Source) if option.default is not MISSING
    }


def test_the_webhooks_page_has_each_answer_of_the_intake() -> None:
    section = table("webhooks.md", "### Answers")
    listed = {int(status) for status in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    refusals = {error.status for error in IntakeError.__subclasses__()}
    assert listed == {202, 405, IntakeError.status} | refusals


def test_examples_are_python_whose_imports_exist() -> None:
    assert len(EXAMPLES) >= 10
    for example in EXAMPLES:
        for node in ast.walk(ast.parse(example)):
            if isinstance(node, ast.ImportFrom) and node.module != "shop":  # the reader's: see tests/your_project
                for alias in node.names:
                    import_string(f"{node.module}.{alias.name}")


def test_classes_that_the_documents_name_exist() -> None:
    paths = set(re.findall(r'"(notifications\.\w+(?:\.\w+)*\.[A-Z]\w+)"', "".join(TEXTS.values())))
    assert len(paths) >= 5
    for path in paths:
        import_string(path)


def test_the_pages_know_the_attempts_and_the_limits() -> None:
    workers, webhooks = page("workers.md"), page("webhooks.md")
    assert f"is tried {delivery.BUGGY_ATTEMPTS} times" in workers
    assert f"After {Source(name='any').max_attempts} attempts" in workers
    assert "RAW_MAX_BODY_BYTES=10485760\n" in (ROOT / ".env.example").read_text()
    assert conf.raw_max_body_bytes == 10 << 20
    assert "10 MiB (`RAW_MAX_BODY_BYTES`" in webhooks
    assert UNSIGNED_RATE == "600/minute"
    assert "may post 600 times a minute" in webhooks
    assert conf.spool_max_bytes == 1 << 30
    assert "1 GiB (`NOTIFICATIONS_SPOOL_MAX_BYTES`" in workers
    assert conf.min_free_bytes == 128 << 20
    assert "128 MiB are free (`NOTIFICATIONS_MIN_FREE_BYTES`" in workers
    assert LARGE == 256 << 10
    assert "over 256 kB leave the database" in workers


def test_the_versions_are_those_of_the_package_and_the_tested_ones_among_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = " ".join(project["classifiers"])
    text = page("your-project.md")
    assert all("<" not in line for line in project["dependencies"])
    for pair in PAIRS:
        assert f"Python :: {pair.python} " in said
        assert f"Django :: {pair.django} " in said
        assert re.search(rf"{re.escape(pair.python)} with (Django )?{re.escape(pair.django)}", text)
        assert Path(pair.requirements).exists()


def test_what_an_installed_engine_needs_is_what_the_site_has() -> None:
    """With its extras; what the site pins is in their bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    pins = (ROOT / "requirements" / "base.txt").read_text().splitlines()
    site = {pin.name: pin for pin in (Requirement(pin.removesuffix("\\")) for pin in pins if pin[:1].isalnum())}
    for wanted in map(Requirement, lines):
        assert wanted.specifier.contains(str(site[wanted.name.lower()].specifier).removeprefix("==")), wanted


def test_what_the_procfile_starts_exists() -> None:
    for name in re.findall(r"manage\.py (\w+)", (ROOT / "Procfile").read_text()):
        assert name in get_commands()
