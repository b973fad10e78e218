"""Each link from one document to another leads somewhere: to a file, and to a heading in it."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENTS: Final = (
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "deploy/README.md"),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")),
)


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def links(text: str) -> list[str]:
    """Those that are relative; a link's text may go over two lines."""
    return re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", without_code(text))


def anchors(text: str) -> set[str]:
    """The headings, as GitHub makes anchors of them: the second of the same name gets -1, the third -2."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} (.+?)\s*$", without_code(text), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = found[anchor] = found.get(anchor, -1) + 1
        if count:
            found[f"{anchor}-{count}"] = 0
    return set(found)


def broken(document: Path) -> list[str]:
    text = document.read_text()
    wrong = []
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_link_leads_to_a_file_and_a_heading_that_exist(document: str) -> None:
    assert broken(ROOT / document) == []


def test_each_alert_leads_to_a_heading_that_exists() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "proppy.rules.yml").read_text()
    pages = re.findall(r"^ +docs: (\S+)#(\S+)$", rules, re.MULTILINE)
    assert len(pages) == rules.count("- alert:")
    assert [(page, anchor) for page, anchor in pages if anchor not in anchors((ROOT / page).read_text())] == []


def test_the_readme_leads_to_each_page() -> None:
    pages = {path.resolve() for path in (ROOT / "docs").glob("*.md")}
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links((ROOT / "README.md").read_text())}
    assert pages - linked == set()


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# One, two!\n## Same\n## Same\n```\n# no heading\n```\n")
    good = "[a](other.md) [b](other.md#one-two) [c](other.md#same-1) [d](#here) [e](https://example.org/no)"
    bad = "[f](none.md) [g](other.md#three) [h](#there) [i\nj](other.md#no-heading)"
    document = tmp_path / "document.md"
    document.write_text(f"# Here\n\n{good}\n{bad}\n")
    assert broken(document) == ["none.md", "other.md#three", "#there", "other.md#no-heading"]
