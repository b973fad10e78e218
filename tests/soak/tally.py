"""What came of the requests of one kind."""

from dataclasses import dataclass, field

from tests.soak.histogram import Histogram


@dataclass(slots=True)
class Tally:
    """Of a route, or of a fault: requests, errors, friendly 503s of pages, and times in quiet and under a fault.

    `cut`: those that a web server had in hand when it was killed or frozen, and that got no answer: no errors.
    """

    requests: int = 0
    errors: int = 0
    away: int = 0
    quiet: Histogram = field(default_factory=Histogram)
    disturbed: Histogram = field(default_factory=Histogram)
    cut: int = 0
