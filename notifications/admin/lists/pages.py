"""Pages of a list without COUNT(*), which reads the whole table on every visit."""

from typing import Any, Final

from django.contrib.admin.views.main import PAGE_VAR
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.functional import cached_property

#: Skipping rows means reading them: filters and search find what is further back.
DEEPEST: Final = 1000


class NextPagePaginator(Paginator):  # type: ignore[type-arg]  # Django's is generic in its stubs only
    """Knows only whether there is a page after page `number`."""

    def __init__(self, object_list: Any, per_page: int, *, number: int) -> None:
        super().__init__(object_list, per_page)
        self._number = number

    @cached_property
    def count(self) -> int:
        """Rows up to the end of the page, and one more if there is a next page."""
        start = (self._number - 1) * self.per_page
        rows: Any = self.object_list
        return start + len(rows.values_list("pk")[start : start + self.per_page + 1])


def page_number(request: HttpRequest) -> int:
    """The page that a request asks for, from 1 to DEEPEST."""
    text = request.GET.get(PAGE_VAR, "")
    return min(int(text), DEEPEST) if text.isascii() and text.isdigit() and text.strip("0") else 1
