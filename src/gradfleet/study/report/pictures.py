"""Plots as SVG inside a page: in the page's own colours, one for wide and one for narrow windows."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import asdict

from gradfleet.errors import GradfleetError
from gradfleet.study.plots.draw import draw
from gradfleet.study.plots.facts import PlotFacts
from gradfleet.study.plots.theme import THEMES, styled

_SIZES = {"wide": (8.8, 3.7), "narrow": (4.3, 3.6)}
_IDS = re.compile(r'(\bid="|url\(#|href="#)')
_FAMILY = re.compile(r"font-family: [^;\"]*")
_EXTENT = re.compile(r' (width|height)="[\d.]+pt"')
_NOISE = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>", flags=re.DOTALL)


def picture(kind: str, facts: PlotFacts, *, metrics: Sequence[str] = ()) -> dict[str, str] | None:
    """The plot as `{"wide": svg, "narrow": svg}`; None when the study has nothing that it could show."""
    try:
        return {width: _svg(f"{kind}-{width}", kind, facts, metrics, _SIZES[width]) for width in _SIZES}
    except GradfleetError:
        return None


def _svg(prefix: str, kind: str, facts: PlotFacts, metrics: Sequence[str], size: tuple[float, float]) -> str:
    figure = draw(kind, facts, metrics=metrics, size=size)
    file = io.StringIO()
    with styled(THEMES["light"]):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return _IDS.sub(lambda found: f"{found[1]}{prefix}-", _recoloured(text[text.index("<svg") :]))


def _recoloured(svg: str) -> str:
    """Every colour of the light theme as the page's variable for it, the page's own font and width."""
    svg = _NOISE.sub("", svg)
    for name, colour in asdict(THEMES["light"]).items():
        svg = svg.replace(colour, f"var(--{name})")
    return _EXTENT.sub("", _FAMILY.sub("font-family: inherit", svg), count=2)
