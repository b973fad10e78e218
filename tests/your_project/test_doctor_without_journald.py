"""The doctor in a fresh stock project on a laptop without journald, where JOURNAL_URL=auto is a file journal."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.stock_project import StockProject

#: The machine of the tests may have a journald.
AWAY: Final = """
from notifications.journal.journald import journal

journal.SOCKETS = "/nowhere"
"""


@pytest.mark.slow
def test_it_names_the_journal_and_what_to_do_and_leaves_all_as_it_was(stock: StockProject) -> None:
    stock.add("shop/__init__.py", AWAY)
    stock.add("shop/settings.py", 'NOTIFICATIONS_JOURNAL_URL = "auto"\n')
    before = tree(stock.folder)
    said = stock.manage("proppy_doctor", fails=True)
    answer: dict[str, Any] = json.loads(stock.manage("proppy_doctor", "--json", fails=True))
    assert tree(stock.folder) == before
    journal = (stock.folder / "var" / "journal").as_uri()
    assert f"{journal} (chosen by auto): this user may write and read it\n" in said
    wrong = [each for each in answer["findings"] if each["result"] != "ok"]
    assert {each["name"] for each in wrong} - {"clock"} == {"workers", "channel:SLACK"}, "nothing runs, nothing is set"
    assert all(f"{each['text']}\n" in said and f"  {each['advice']}\n" in said for each in wrong)
    assert all(f"manage.py {worker}, or its service" in said for worker in ("process_raw", "follow_journal"))
    assert answer["result"] == "warning"


def tree(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Modes and contents of the project, its database and its state folder, but for what Python compiles."""
    paths = [path for path in folder.rglob("*") if "__pycache__" not in path.parts]
    return {path: (path.stat().st_mode, path.read_bytes() if path.is_file() else b"") for path in paths}
