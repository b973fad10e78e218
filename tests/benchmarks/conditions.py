"""What a run may have unlike an ordinary site, one at a time: many sources, many rows, other bodies, a slow disk."""

import argparse
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.payload import SIZE

OPTIONS: Final = {
    "sources": "NOTIFICATIONS_SOURCES has so many more",
    "rows": "so many finished payloads are in the table",
    "body": f"bytes of a body, instead of {SIZE}",
    "fsync-ms": "each fsync takes so many milliseconds at least (needs gcc)",
}


@dataclass(frozen=True, slots=True)
class Conditions:
    """0: as it is."""

    sources: int = 0
    rows: int = 0
    body: int = SIZE
    fsync_ms: int = 0

    def __str__(self) -> str:
        changes = {"sources": self.sources, "rows": self.rows, "ms an fsync": self.fsync_ms}
        return ", ".join([f"bodies of {self.body:,} bytes", *(f"{n:,} {what}" for what, n in changes.items() if n)])


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("one at a time (of use with --only keep post process_raw)")
    for name, text in OPTIONS.items():
        group.add_argument(f"--{name}", type=int, metavar="N", default=SIZE if name == "body" else 0, help=text)


def of_options(options: argparse.Namespace) -> Conditions:
    return Conditions(options.sources, options.rows, options.body, options.fsync_ms)
