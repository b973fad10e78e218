"""The site as deployed, whose `follow_journal` tells a Slack on this machine."""

from tests.benchmarks.lab import Lab
from tests.support.journald import JournaldNamespace
from tests.support.processes import Site


def telling_site(lab: Lab, journald: JournaldNamespace, slack: dict[str, str]) -> Site:
    """With its own channels alone, and no plain lines but those of a journal of its own."""
    own = {"DJANGO_SETTINGS_MODULE": "proppy.settings"}
    return lab.site(**own, **slack, JOURNAL_URL=journald.url, TEXT_JOURNAL_URL=lab.journald().url)
