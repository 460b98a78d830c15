"""Routes of plots and reports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from gradfleet.service import pictures
from gradfleet.service.access import READ
from gradfleet.service.problems import responses
from gradfleet.service.routes.parameters import Name
from gradfleet.service.service import Current

router = APIRouter(prefix="/sweeps/{name}", tags=["pictures"], responses=responses(401, 403, 404, 409, 422, 429, 503))

Kind = Literal["history", "curves", "importance", "parallel", "slice", "contour", "pareto", "timeline"]
Theme = Annotated[Literal["light", "dark"], Query(description="Colours of the drawing.")]
MetricNames = Annotated[list[str], Query(description="What curves shows, or the two of pareto.")]
Dimensions = Annotated[list[str], Query(description="Of parallel, slice and contour; the most important if not said.")]
Top = Annotated[int, Query(description="How many trials of the leaderboard.", ge=1, le=10_000)]

# The report has styles and pictures of its own, and nothing else may run or be fetched in it.
_CAREFUL = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}


@router.get("/plots/{kind}", dependencies=[READ], response_model=dict[str, Any])
def plot(
    service: Current,
    name: Name,
    kind: Kind,
    *,
    metric: MetricNames = [],  # noqa: B006  # FastAPI copies it
    dimension: Dimensions = [],  # noqa: B006
) -> Response:
    """A plot as plotly's JSON."""
    drawn = pictures.plotly(service, name, kind, metrics=metric, dimensions=dimension)
    return Response(drawn, media_type="application/json")


@router.get(
    "/plots/{kind}/png",
    dependencies=[READ],
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}},
)
def plot_png(
    service: Current,
    name: Name,
    kind: Kind,
    *,
    metric: MetricNames = [],  # noqa: B006
    dimension: Dimensions = [],  # noqa: B006
    theme: Theme = "light",
) -> Response:
    """A plot as a picture."""
    drawn = pictures.png(service, name, kind, metrics=metric, dimensions=dimension, theme=theme)
    return Response(drawn, media_type="image/png")


@router.get("/report", dependencies=[READ])
def report(service: Current, name: Name, *, top: Top = 20) -> dict[str, Any]:
    """What the report of a sweep says."""
    return pictures.report_facts(service, name, top=top)


@router.get("/report/html", dependencies=[READ], response_class=HTMLResponse)
def report_html(service: Current, name: Name, *, top: Top = 20) -> HTMLResponse:
    """The report of a sweep as one page."""
    return HTMLResponse(pictures.report(service, name, top=top), headers=_CAREFUL)
