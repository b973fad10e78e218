"""docs/upgrading.md in a project of one's own, with work in flight: nothing is lost or doubled, forth and back."""

from pathlib import Path

import pytest

from tests.your_project.shop import Shop
from tests.your_project.stock import Stock

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.release]


def test_an_upgrade_and_the_way_back_lose_nothing(
    database: dict[str, str], tmp_path: Path, wheel_before: Path, wheel: Path
) -> None:
    with Stock(tmp_path, database) as project:
        project.run('pip install gunicorn "psycopg[binary]"')
        shop = Shop(project)
        shop.install(wheel_before)
        project.run("python manage.py migrate")
        shop.restart()
        shop.bring_into_flight("before")

        shop.install(wheel)
        shop.post("to the old server, its files replaced")
        project.run("python manage.py check --fail-level ERROR")
        project.run("python manage.py migrate")
        shop.post("to the old server, new tables")
        shop.restart()
        shop.land()
        shop.bring_into_flight("after")

        shop.install(wheel_before)
        shop.restart()
        shop.land()
        project.stop()
