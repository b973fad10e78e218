"""The command as people run it."""

import json
import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from notifications.utils.finding import Finding

#: Runs `proppy_doctor --only NAME`: its findings and its exit status.
Examine = Callable[[str], tuple[list[Finding], int]]


@pytest.fixture
def examine(sqlite_file: object) -> Examine:
    """With a database, a state folder and whatever settings the test makes."""

    def run(name: str) -> tuple[list[Finding], int]:
        out = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("proppy_doctor", "--only", name, "--json", stdout=out)
        found: list[dict[str, Any]] = json.loads(out.getvalue())["findings"]
        assert all(re.fullmatch(rf"{name}(:.*)?", each["name"]) for each in found)
        return [Finding(each["result"], each["text"], each["advice"]) for each in found], int(ended.value.code or 0)

    return run


@pytest.fixture
def only(examine: Examine) -> Callable[[str], Finding]:
    """The one finding of an examination that has one."""

    def run(name: str) -> Finding:
        (finding,), _ = examine(name)
        return finding

    return run
