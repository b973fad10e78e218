"""What the engine knows already, as findings: messages of system checks, and problems of the verdict."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, run_checks

from notifications.checks.databases import check_database
from notifications.checks.rights import check_rights
from notifications.checks.settings import check_connections, check_sqlite, check_sqlite_deployed, check_state_dir
from notifications.checks.sqlite_options import check_sqlite_options
from notifications.operations.problem import Grade, Problem
from notifications.utils.finding import Finding, Result, failed, ok, warning

Check = Callable[[], list[CheckMessage]]
RESULTS: Final = {Grade.CRITICAL: Result.FAILED, Grade.WARNING: Result.WARNING, Grade.UNKNOWN: Result.UNKNOWN}
#: Checks of the two examinations that look further: `settings` does not repeat them.
OF_FOLDER: Final[tuple[Check, ...]] = (check_state_dir, check_rights)
OF_DATABASE: Final[tuple[Check, ...]] = (check_database, check_connections, check_sqlite_options)


def database_messages() -> list[CheckMessage]:
    """What the checks say of the settings of the database."""
    race = check_sqlite if settings.DEBUG else check_sqlite_deployed
    return [message for check in (*OF_DATABASE, race) for message in check()]


def folder_messages() -> list[CheckMessage]:
    """What the checks say of STATE_DIR and its neighbours."""
    return [message for check in OF_FOLDER for message in check()]


def settings_examined() -> Iterator[Finding]:
    """All system checks, the project's too; those of a deployment unless DEBUG."""
    elsewhere = [*database_messages(), *folder_messages()]
    found = run_checks(include_deployment_checks=not settings.DEBUG)
    left = [each for each in found if each.level >= checks.WARNING and each not in elsewhere and not each.is_silenced()]
    yield from findings_of(left)
    if not left:
        yield ok(f"manage.py check{'' if settings.DEBUG else ' --deploy'} finds nothing else")


def findings_of(messages: Iterable[CheckMessage]) -> Iterator[Finding]:
    """One for each message that is not silenced."""
    for each in messages:
        if not each.is_silenced():
            made = failed if each.level >= checks.ERROR else warning
            yield made(f"{each.msg} ({each.id})", each.hint or "Mend that setting.")


def finding_of(problem: Problem) -> Finding:
    """A problem of the verdict."""
    return Finding(RESULTS[problem.grade], problem.text, problem.advice)
