"""How plots look: colours for light and dark pages, and an empty figure in them."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradfleet.errors import SettingError, unknown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours by what they stand for."""

    paper: str
    ink: str
    quiet: str
    grid: str
    accent: str
    good: str
    warn: str
    bad: str
    scale: str = "viridis"


THEMES = {
    "light": Theme("#ffffff", "#1d2433", "#8791a5", "#e3e7ee", "#2f6bd8", "#17845c", "#c77708", "#c4413c"),
    "dark": Theme("#141923", "#e8ecf4", "#7d889e", "#2a3242", "#7eabff", "#4cc596", "#f0ab4c", "#f0807a"),
}

STATES = {"COMPLETE": "accent", "PRUNED": "quiet", "FAIL": "bad", "RUNNING": "warn"}
"""Which colour of a theme stands for which state of a trial."""

_styling = threading.RLock()  # matplotlib's settings are of the whole process, and a service draws in several threads

_BASE = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "none",
    "svg.hashsalt": "gradfleet",
}


def theme(name: str) -> Theme:
    """The theme of that name.

    Raises:
        SettingError: there is none.
    """
    if name not in THEMES:
        raise SettingError(unknown_name("theme", name, THEMES))
    return THEMES[name]


def new_figure(look: Theme, *, size: tuple[float, float]) -> Figure:
    """An empty figure that a notebook shows; `size` in inches.

    Raises:
        SettingError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SettingError('Plots need matplotlib: pip install "gradfleet[plots]".') from error

    class Picture(Figure):
        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=110)
            return file.getvalue()

    return Picture(figsize=size, facecolor=look.paper, layout="constrained")


@contextmanager
def styled(look: Theme) -> Iterator[None]:
    """Matplotlib's own settings in the colours of a theme; afterwards they are as they were."""
    import matplotlib

    settings: Any = _BASE | {
        "text.color": look.ink,
        "axes.facecolor": look.paper,
        "axes.edgecolor": look.quiet,
        "axes.labelcolor": look.ink,
        "grid.color": look.grid,
        "xtick.color": look.quiet,
        "ytick.color": look.quiet,
        "xtick.labelcolor": look.ink,
        "ytick.labelcolor": look.ink,
    }
    with _styling, matplotlib.rc_context(settings):
        yield


def legend(axes: Axes, *, columns: int = 4) -> None:
    """Above the plot, to the right, where it hides no point."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.3}
        axes.legend(handles, labels, ncols=columns, handletextpad=0.4, columnspacing=1.2, **place)


def whole_numbers(axis: Axis) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
