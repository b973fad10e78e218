"""The parts of the page that are refreshed alone: what each one's template needs."""

from collections.abc import Callable
from typing import Any, Final

from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format

from notifications.admin.status import changed_routes
from notifications.admin.status.budget import OF, Budget, all_is_well, rates
from notifications.admin.status.chart import Chart
from notifications.admin.status.charts import Charts, without_data
from notifications.admin.status.figures import RELEASES, stopped
from notifications.admin.status.gauges import Gauges
from notifications.admin.status.links import Links
from notifications.admin.status.markup import route_rows, unbroken
from notifications.admin.status.periods import PERIODS, Period, Window
from notifications.admin.status.read_series import by_route, overview
from notifications.admin.status.releases import effects
from notifications.admin.status.routes import SHOWN, changed_first, routes
from notifications.admin.status.tiles import tiles
from notifications.conf import conf
from notifications.status.now import Status
from notifications.status.verdict import verdict
from notifications.utils.times import utc_now


def now_part(request: HttpRequest, _: Period | None = None) -> dict[str, Any]:
    """The verdict and the tiles. One query, besides those for the request's session and user."""
    found, links = verdict(whole=True, has_answered=_is_read_from_database(request)), Links(request)
    problems = [(problem, links.of_problem(problem.path), unbroken(problem.advice)) for problem in found.problems]
    return {
        "verdict": found,
        "problems": problems,
        "tiles": tiles(found, links),
        "is_new": _is_new(found.status),
        "as_of": _as_of(),
    }


def figures_part(request: HttpRequest, period: Period) -> dict[str, Any]:
    """Errors per million, and the charts that are not by route. One query."""
    found = overview(Window(period, utc_now()))
    charts = Charts(found.shown, Links(request), gauges=Gauges(found.shown, found.minutes))
    all_rates = rates(found.periods)
    return {
        "rates": all_rates,
        "no_errors": all_is_well(all_rates),
        "budget": Budget(all_rates[list(PERIODS).index(OF)]),
        "request_charts": _split(list(charts.of_requests())),
        "groups": [("Payloads", _split(list(charts.of_payloads()))), ("Events", _split(list(charts.of_events())))],
        "stopped": stopped(found.shown),
        "period": period,
        "as_of": _as_of(),
    }


def routes_part(request: HttpRequest, period: Period) -> dict[str, Any]:
    """What releases did, and each route beside the period before: all, or those of `?routes=`. One query."""
    figures, choice = by_route(Window(period, utc_now())), request.GET.get("routes", "")
    found = routes(figures)
    chosen = changed_routes.chosen(found, choice)
    shown = changed_first(chosen)
    return {
        "times": [changed_routes.times_tile(found, period)],
        "releases": effects(figures),
        "have_names": bool(figures.labels(RELEASES)),
        "has_routes": bool(found),
        "choice": choice if choice in changed_routes.CHOICES else "",
        "route_chips": changed_routes.chips(found, choice, period),
        "routes": route_rows(shown[:SHOWN]),
        "more_routes": route_rows(shown[SHOWN:]),
        "more": len(shown[SHOWN:]),
        "route_charts": _split(list(Charts(figures, Links(request), chosen).of_routes())),
        "period": period,
    }


def _is_read_from_database(request: HttpRequest) -> bool:
    """Whether this request's user was just read from the engine's database."""
    user = getattr(request, "user", None)
    return isinstance(user, Model) and user._state.db == conf.database


def _split(charts: list[Chart]) -> dict[str, Any]:
    """Those with something to draw, and what is said of the others."""
    return {"drawn": [chart for chart in charts if not chart.is_empty], "others": without_data(charts)}


def _is_new(now: Status) -> bool:
    """No worker has ever run."""
    return now.database is not None and not (now.database.channels or now.database.machines or now.workers)


def _as_of() -> str:
    """The time, in the current zone."""
    return date_format(timezone.localtime(utc_now()), "H:i:s T")


PARTS: Final[dict[str, Callable[[HttpRequest, Period], dict[str, Any]]]] = {
    "now": now_part,
    "figures": figures_part,
    "routes": routes_part,
}
