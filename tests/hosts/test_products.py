"""Products that were made elsewhere: their own tests pass as before with the engine in them, and it works there."""

from pathlib import Path

import pytest

from tests.hosts.products import PRODUCTS, InstalledProduct, Product
from tests.support.checkout import copy_working_tree
from tests.support.host_project import Request

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.release]


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_the_engine_works_in(product: Product, tmp_path: Path) -> None:
    host = InstalledProduct(product, tmp_path)
    versions = host.versions()
    before = host.own_tests(product.test_settings) if product.tests else None
    assert before is None or before.ran - before.skipped - len(before.failed) > 20
    copy_working_tree(tmp_path / "tree")
    host.then_engine(tmp_path / "tree")
    assert versions < host.versions()
    assert before is None or host.own_tests("with_engine.tests") == before
    _works_in(host)


def _works_in(host: InstalledProduct) -> None:
    assert "notifications.E" not in host.manage("check")
    assert "Migrations for 'notifications'" not in host.manage("makemigrations", "--dry-run")
    host.manage("migrate", "--verbosity", "0")
    answers = host.ask(Request("/in/demo/", b"{}"), Request("/in/fails/", b"\xff"), Request("/in/nobody/", b"x"))
    assert [answer.status for answer in answers[:2]] == [202, 202]
    assert answers[2].status in {302, 404}  # LocaleMiddleware redirects what is not found
    host.python("from notifications import emit; emit('SLACK', 'hello')")
    said = host.manage("process_raw", "--drain") + host.manage("follow_journal", "--drain")
    assert "handled demo 2" in said
    assert "hello" in said
    assert len(host.crawl(admin=host.product.admin, pages=15)) > 10
