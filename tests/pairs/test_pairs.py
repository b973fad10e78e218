"""The engine's unit tests, on each pair of Python and Django."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

import django
import pytest

from tests.support import pairs
from tests.support.child import BASE_DIR
from tests.support.pairs import PAIRS, Pair

pytestmark = [pytest.mark.services, pytest.mark.slow]

#: What is not of the engine but of the site, its deployment and this project.
OTHERS: Final = (
    *("site", "test_backup.py", "test_benchmarks.py", "test_deploy.py", "test_docs.py", "test_first_source_guide.py"),
    *("test_layers.py", "test_links.py", "test_private_names.py", "test_releases.py", "test_requirements.py"),
    *("test_restart.py", "test_soak.py", "test_soak_held.py"),
)
QUICK: Final = "not services and not slow and not system"


#: Where both ends pass, what is between them does: it is tried before a release.
OLDEST, BETWEEN, NEWEST = PAIRS


@pytest.mark.parametrize(
    "pair",
    [OLDEST, pytest.param(BETWEEN, marks=pytest.mark.release), NEWEST],
    ids=lambda pair: f"{pair.python}-{pair.django}",
)
def test_the_engine_works_on(pair: Pair, tmp_path: Path) -> None:
    if pair[1:] == (f"{sys.version_info[0]}.{sys.version_info[1]}", "{}.{}".format(*django.VERSION)):
        pytest.skip("make test runs on this pair")
    for tool in ("debootstrap", "systemd-nspawn"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}: sh tests/install-services")
    ignored = [f"--ignore=tests/unit/{name}" for name in OTHERS]
    assert all((BASE_DIR / option.partition("=")[2]).exists() for option in ignored)
    code = f"import sys, django; assert (sys.version_info[:2], django.VERSION[:2]) == {_numbers(pair)}, sys.version\n"
    code += "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    workers = ["-n", str(os.cpu_count() or 1), "--dist", "worksteal"]  # beside tests that mostly wait
    options = ["-q", *workers, "-p", "no:cacheprovider", "-m", QUICK, *ignored, "tests/unit"]
    done = pairs.run(pair, tmp_path, ["-c", code, *options])
    print(done.stdout)
    assert done.returncode == 0


def _numbers(pair: Pair) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(int, version.split("."))) for version in pair[1:])
