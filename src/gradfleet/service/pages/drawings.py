"""Plots as SVG, in the colours of light and dark pages, for wide and narrow windows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from starlette.responses import Response

from gradfleet.errors import SettingError, unknown_name
from gradfleet.service import pictures
from gradfleet.service.pages.visit import Visit
from gradfleet.study.plots.draw import draw
from gradfleet.study.plots.theme import Theme, styled, theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = {"wide": (8.8, 3.7), "narrow": (4.3, 3.6)}
"""Inches."""


def of_sweep(visit: Visit) -> Response:
    """One of a sweep's plots."""
    look, size = asked(visit)
    kind, theme_name = visit.request.path_params["kind"], visit.request.query_params.get("theme", "light")
    drawn = pictures.kept(
        visit.service,
        visit.name,
        ("svg", kind, theme_name, size),
        lambda study: _svg(draw(kind, study.plot_facts(), look=theme_name, size=size), look),
    )
    return Response(drawn, media_type="image/svg+xml")


def asked(visit: Visit) -> tuple[Theme, tuple[float, float]]:
    """The colours and the size that a picture is asked for in.

    Raises:
        SettingError: there are none such.
    """
    width = visit.request.query_params.get("width", "wide")
    if width not in SIZES:
        raise SettingError(unknown_name("width", width[:40], SIZES))
    return theme(visit.request.query_params.get("theme", "light")), SIZES[width]


def svg(figure: Figure, look: Theme) -> Response:
    return Response(_svg(figure, look), media_type="image/svg+xml")


def _svg(figure: Figure, look: Theme) -> bytes:
    file = io.BytesIO()
    with styled(look):
        figure.savefig(
            file, format="svg", bbox_inches="tight", pad_inches=0.06, metadata={"Date": None, "Creator": None}
        )
    return file.getvalue()
