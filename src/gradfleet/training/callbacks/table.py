"""A history as HTML."""

from __future__ import annotations

import html

from gradfleet.training.history import History


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
