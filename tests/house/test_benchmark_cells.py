"""The table of benchmarks/presets.py goes on where it was."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cells.kept import Cell, KeptCells, Scores


def test_a_finished_cell_is_kept_and_not_measured_again(tmp_path: Path) -> None:
    measured: list[str] = []

    def measure() -> Scores:
        measured.append("once")
        return {"ours": 0.5}

    cells = [Cell("digits", "ours", 60.0), Cell("digits", "ours", 60.0, "an-encoder")]
    for cell in cells:
        assert KeptCells(tmp_path / "build" / "cells.jsonl").scores(cell, measure)["ours"] == 0.5
    again = KeptCells(tmp_path / "build" / "cells.jsonl")
    assert [again.scores(cell, measure)["ours"] for cell in cells] == [0.5, 0.5]
    assert len(measured) == 2
    assert again.scores(cells[0], measure)["load"] >= 0
