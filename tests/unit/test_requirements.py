"""What is installed with hashes is pinned as pip, also an old one, wants it."""

from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"


@pytest.mark.parametrize("name", ["base", "local", "test"])
def test_extras_are_pinned_with_their_package(name: str) -> None:
    """pip 23 takes `coverage==1` for no pin of `coverage[toml]`, looks for the newest, and refuses it for its hash."""
    lines = (REQUIREMENTS / f"{name}.txt").read_text().splitlines()
    pins = [Requirement(line.removesuffix("\\").strip()) for line in lines if line[:1].isalnum()]
    pinned = {canonicalize_name(pin.name): pin.extras for pin in pins}
    assert all(pin.specifier for pin in pins)
    for distribution in distributions():
        if canonicalize_name(distribution.metadata["Name"]) not in pinned:
            continue
        for wanted in map(Requirement, distribution.requires or []):
            if wanted.extras and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
                assert wanted.extras <= pinned[canonicalize_name(wanted.name)], wanted
