"""All examinations, in the order in which they run: this machine first, then its neighbours, then the project's own."""

from collections.abc import Sequence
from typing import Final

from notifications.doctor.addresses import heartbeat_url, site_url, statsd
from notifications.doctor.channels import channels
from notifications.doctor.clock import clock
from notifications.doctor.database import database, migrations
from notifications.doctor.journal import journal, text_journal
from notifications.doctor.machine import disks, limits, versions
from notifications.doctor.messages import settings_examined
from notifications.doctor.registry import Examination, registered
from notifications.doctor.state_folder import spool, state_folder
from notifications.doctor.storage import bodies
from notifications.doctor.workers import workers

OF_MACHINE: Final = (
    Examination("versions", versions),
    Examination("settings", settings_examined),
    Examination("limits", limits),
    Examination("disks", disks),
    Examination("state-folder", state_folder),
    Examination("spool", spool),
    Examination("database", database),
    Examination("migrations", migrations),
    Examination("journal", journal),
    Examination("text-journal", text_journal),
    Examination("workers", workers),
    Examination("clock", clock),
)
OF_NEIGHBOURS: Final = (
    Examination("bodies", bodies),
    Examination("site-url", site_url),
    Examination("heartbeat-url", heartbeat_url),
    Examination("statsd", statsd),
)


def examinations(only: Sequence[str] = ()) -> list[Examination]:
    """All but those that must be asked for; or those of these names, where "channel" is all channels.

    Raises LookupError, with the names that there are.
    """
    every = [*OF_MACHINE, *channels(), *OF_NEIGHBOURS, *registered()]
    for name in only:
        if not any(_is_named(each, name) for each in every):
            raise LookupError(
                f"Nothing to examine is called {name!r}. There are: {', '.join(each.name for each in every)}."
            )
    if not only:
        return [each for each in every if not each.only_asked]
    return [each for each in every if any(_is_named(each, name) for name in only)]


def _is_named(examination: Examination, name: str) -> bool:
    return name in {examination.name, examination.name.partition(":")[0]}
