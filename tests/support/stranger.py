"""Where the posts of a stranger are answered: at the view, or at the gate in front of Django."""

from typing import Final

from django.test import Client

from notifications.testing import GateClient
from tests.support.gate_calls import AtGate

#: Without the slash: with it the site's own middleware leaves a post to Django, as it is shown on the page.
CONTACT: Final = "/in/contact"


class Posts:
    """How many posts have been answered where."""

    def __init__(self, at_gate: AtGate, client: type[Client]) -> None:
        self._at_gate, self._through_gate = at_gate, client is GateClient

    def stored(self, count: int) -> bool:
        """Whether the gate has answered so many, or none if they were to go to the view."""
        statuses = [status for _, status in self._at_gate.answered]
        return statuses == [202] * (count if self._through_gate else 0)
