"""docs/your-project.md on each pair of Python and Django, with this machine's PostgreSQL."""

import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.support import pairs
from tests.support.pairs import PAIRS, Pair
from tests.support.postgres import Postgres
from tests.your_project.database import PORT, make_database

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.release]

RUN: Final = """
import os, sys
import django, pytest
assert ("{}.{}".format(*sys.version_info), "{}.{}".format(*django.VERSION)) == tuple(sys.argv[1:3]), sys.version
os.environ.update(NAME=sys.argv[3])
sys.exit(pytest.main(["-q", "-s", "-n", "2", "-p", "no:cacheprovider", "tests/your_project/test_page.py"]))
""".replace("NAME", PORT)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.python}-{pair.django}")
def test_the_page_holds_on(pair: Pair, tmp_path: Path) -> None:
    for tool in ("debootstrap", "systemd-nspawn"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}: sh tests/install-services")
    with Postgres() as cluster:
        make_database(cluster)
        done = pairs.run(pair, tmp_path, ["-c", RUN, pair.python, pair.django, str(cluster.port)])
    print(done.stdout)
    assert done.returncode == 0
