"""Two bodies of one source side by side: one that fails, and a good one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from notifications.admin.failures.actions import payloads_of
from notifications.admin.failures.differences import compared
from notifications.admin.lists.body_view import LIMIT, BodyView, view_body, visible
from notifications.admin.lists.cells import first_line, since
from notifications.admin.lists.names import address
from notifications.admin.payloads.bodies import start_of
from notifications.bodies.storage import BodyDamaged, StorageFailed
from notifications.models import FailureGroup, RawPayload

if TYPE_CHECKING:
    from notifications.admin.failures.list import FailureGroupAdmin

#: Without the body.
COLUMNS: Final = ("receipt", "source", "state", "size", "content_type", "received_at", "digest", "stored_as")


class Side(NamedTuple):
    """A payload beside another. `problem`: why its body cannot be read, or ""."""

    payload: RawPayload
    address: str
    content_type: str
    age: str
    lines: list[str]
    cut: bool
    problem: str


def page_of(model_admin: "FailureGroupAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """The page. Raises Http404, and PermissionDenied to who may not see bodies."""
    if not model_admin.may_see_bodies(request):
        raise PermissionDenied
    group = FailureGroup.objects.filter(pk=pk).first()
    if group is None:
        raise Http404
    failing, good = _side(_failing(group)), _side(_good(group))
    rows = compared(failing.lines, good.lines) if failing and good else []
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Bodies side by side",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "group": group,
        "may": model_admin.has_process_permission(request),
        "group_title": first_line(group.title),
        "source": visible(group.source),
        "failing": failing,
        "good": good,
        "rows": rows,
        "same": bool(failing and good and failing.payload.digest == good.payload.digest),
    }
    request.current_app = model_admin.admin_site.name  # as Django's admin does
    return TemplateResponse(request, "notifications/admin/compare.html", context)


def _failing(group: FailureGroup) -> RawPayload | None:
    return payloads_of(group).all.order_by("-pk").only(*COLUMNS).first()


def _good(group: FailureGroup) -> RawPayload | None:
    """The last that was handled: only done ones have the time of it, and its index is by source and time."""
    done = RawPayload.objects.filter(source=group.source, done_at__isnull=False)
    return done.order_by("-done_at", "-pk").only(*COLUMNS).first()


def _side(payload: RawPayload | None) -> Side | None:
    if payload is None:
        return None
    view, problem = BodyView("empty"), ""
    try:
        view = view_body(start_of(payload.pk, LIMIT), payload.content_type, payload.size)
    except (BodyDamaged, StorageFailed, RawPayload.DoesNotExist) as error:
        problem = str(error)
    return Side(
        payload,
        address(RawPayload, "change", payload.pk),
        visible(payload.content_type),
        str(since(payload.received_at)),
        list(_lines(view)),
        view.cut,
        problem,
    )


def _lines(view: BodyView) -> Iterator[str]:
    yield from view.text.splitlines()
    for name, value in view.pairs:
        yield f"{name} = {value}"
    for part in view.parts:
        heading: Any = (part.name, part.filename, part.content_type, f"{part.size} bytes")
        yield ", ".join(filter(None, heading))
        yield from part.preview.splitlines()
