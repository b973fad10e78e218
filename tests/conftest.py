import shutil
from collections.abc import Iterator

import pytest
from django.conf import settings

pytest_plugins = [
    f"tests.support.{name}"
    for name in ("browser", "in_process", "journald", "postgres", "processes", "s3", "slack", "smtp")
]


@pytest.fixture(scope="session", autouse=True)
def _state_dir_goes_away() -> Iterator[None]:
    yield
    shutil.rmtree(settings.STATE_DIR, ignore_errors=True)
