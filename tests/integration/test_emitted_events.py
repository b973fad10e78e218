"""The page of a payload shows what its handler has emitted: real processes, a real journald or a file journal."""

import pytest

from tests.support.processes import Site
from tests.support.wait import wait_for

PASSWORD = "only-for-this-test"
USER = f"from django.contrib.auth.models import User; User.objects.create_superuser('root', password={PASSWORD!r})"
CONTACT = {"name": "Ada & <b>Co</b>", "email": "ada@example.org", "text": "Hello"}
SHOWN = "SLACK: Contact from Ada &amp; &lt;b&gt;Co&lt;/b&gt;: read it in the admin under Contact messages"


@pytest.mark.parametrize("kind", ["file", pytest.param("journald", marks=pytest.mark.services)])
def test_they_are_there_as_soon_as_it_is_handled(site: Site, request: pytest.FixtureRequest, kind: str) -> None:
    if kind == "journald":
        site.env["JOURNAL_URL"] = request.getfixturevalue("journald").url
    site.migrate()
    site.manage("shell", "--verbosity", "0", "-c", USER)
    site.start("web")
    site.start("process_raw")
    visitor = site.browse()
    visitor.get("/admin/login/")
    visitor.post_form("/admin/login/", username="root", password=PASSWORD)
    assert visitor.post_form("/in/contact/", **CONTACT).status == 202

    def page() -> str:
        text = visitor.get("/admin/notifications/rawpayload/1/change/?events=all").text
        return text if "2 events emitted" in text else ""

    text = wait_for(page, timeout=60, message="the events")
    assert SHOWN in text
    assert "REPORT: contact form" in text
