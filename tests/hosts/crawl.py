"""Opens the pages of the engine's admin in a host project."""

import re
from typing import Final

from tests.support.host_project import HostProject

CRAWL: Final = """
from django.contrib.auth import get_user_model
from django.test import Client
import re
get_user_model().objects.create_superuser(**{get_user_model().USERNAME_FIELD: "ada", "password": "x"})
client = Client()
client.force_login(get_user_model().objects.get())
seen, left = {}, [PREFIX + "notifications/"]
while left and len(seen) < PAGES:
    page = left.pop(0)
    answer = client.get(page)
    seen[page] = answer.content.decode() if not answer.streaming else ""
    assert answer.status_code == 200, (page, answer.status_code)
    for link in re.findall('href="([^"]*)"', seen[page]):
        link = page.partition("?")[0] + link if link.startswith("?") else link
        link = link.replace("&amp;", "&")
        if link.startswith(PREFIX + "notifications/") and link not in seen and link not in left:
            left.append(link)
print(len(seen), "PAGES")
"""


def crawl(host: HostProject, then: str = "", *, prefix: str = "/admin/", pages: int = 30) -> int:
    """Open up to so many pages, then run code with `seen`, pages by address. Returns how many."""
    said = host.python(f"PREFIX, PAGES = {prefix!r}, {pages}\n{CRAWL}{then}")
    found = re.search(r"(\d+) PAGES", said)
    assert found, said
    return int(found[1])
