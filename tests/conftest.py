import shutil
from collections.abc import Iterator
from typing import Any, Final

import hypothesis
import pytest
from django.conf import settings
from django.core.management.commands import flush
from hypothesis import HealthCheck
from xdist.scheduler import LoadScopeScheduling

pytest.register_assert_rewrite("tests.contracts")
# No deadlines: the machine is busy with other tests. Each run takes inputs of its own; make test-release takes more.
GENERATED: Final = {"quick": 25, "release": 400}
for profile, examples in GENERATED.items():
    hypothesis.settings.register_profile(
        profile,
        deadline=None,
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
hypothesis.settings.load_profile("quick")

pytest_plugins = [
    "tests.support.admin",
    "tests.support.browser",
    "tests.support.connect_proxy",
    "tests.support.in_process",
    "tests.support.journald",
    "tests.support.payloads",
    "tests.support.postgres",
    "tests.support.database",  # after what it imports, or pytest cannot rewrite its assertions
    "tests.support.disks",
    "tests.support.faults",
    "tests.support.host_project",
    "tests.support.processes",
    "tests.support.machines",
    "tests.support.s3",
    "tests.support.series",
    "tests.support.site",
    "tests.support.slack",
    "tests.support.smtp",
    "tests.support.stock_project",
    "tests.support.tell",
    "tests.support.udp",
    "tests.support.webhook",
    "tests.support.installed",  # after what it imports
]


SYSTEM: Final = "tests/system/"


class OneMachine(LoadScopeScheduling):  # type: ignore[misc]  # xdist's own is untyped
    """All tests of the booted machine in one process, each other test where there is room.

    `xdist_group` is lost: pytest-xdist 3.8 writes it into a field that pytest 9.2 does not read.
    """

    def _split_scope(self, nodeid: str) -> str:
        return SYSTEM if nodeid.startswith(SYSTEM) else nodeid


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    return OneMachine(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first: the booted machine, in one process."""
    items.sort(key=lambda item: item.get_closest_marker("system") is None)


#: Django's own rows, which migrations make and no test changes.
KEPT: Final = frozenset({"auth_permission", "django_content_type"})


def _sql_flush(style: Any, connection: Any, **options: Any) -> list[str]:
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    statements: list[str] = connection.ops.sql_flush(style, [each for each in tables if each not in KEPT], **options)
    return statements


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> Iterator[None]:
    """A test without a transaction leaves KEPT as it is: to make it again took most of such tests' time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "sql_flush", _sql_flush)
        patch.setattr(flush, "emit_post_migrate_signal", lambda *_, **__: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _state_dir_goes_away() -> Iterator[None]:
    yield
    shutil.rmtree(settings.STATE_DIR, ignore_errors=True)
