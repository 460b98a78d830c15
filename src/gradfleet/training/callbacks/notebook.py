"""A history as HTML, and whether there is a notebook to show it in."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable
from typing import Any

from gradfleet.training.history import History

Show = Callable[[str], object]


def to_html(history: History, title: str) -> str:
    """A table with a row for each epoch under a title."""
    names = list(dict.fromkeys(name for record in history for name in record.metrics))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("epoch", *names))
    rows = "".join(
        f"<tr><td>{record.epoch}</td>"
        + "".join(f"<td>{record[name]:.4g}</td>" if name in record.metrics else "<td></td>" for name in names)
        + "</tr>"
        for record in history
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<div><p>{html.escape(title)}</p>{table}</div>"


def notebook_show() -> Show | None:
    """What shows HTML in place in the notebook that runs this; None where there is none."""
    python: Any = sys.modules.get("IPython")
    shell = python.get_ipython() if python is not None else None
    if shell is None or not hasattr(shell, "kernel"):  # no IPython, or that of a terminal
        return None
    handle = python.display.display(python.display.HTML(""), display_id=True)
    return lambda text: handle.update(python.display.HTML(text))
