import shutil
from collections.abc import Iterator

import pytest
from django.conf import settings

pytest_plugins = [
    "tests.support.admin",
    "tests.support.browser",
    "tests.support.in_process",
    "tests.support.journald",
    "tests.support.payloads",
    "tests.support.postgres",
    "tests.support.database",  # after what it imports, or pytest cannot rewrite its assertions
    "tests.support.faults",
    "tests.support.processes",
    "tests.support.machines",
    "tests.support.s3",
    "tests.support.slack",
    "tests.support.smtp",
    "tests.support.tell",
    "tests.support.webhook",
    "tests.support.installed",  # after what it imports
]


@pytest.fixture(scope="session", autouse=True)
def _state_dir_goes_away() -> Iterator[None]:
    yield
    shutil.rmtree(settings.STATE_DIR, ignore_errors=True)
