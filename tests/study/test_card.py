"""What a cell of a notebook shows of a sweep, and how it follows it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from gradfleet.study.card import Card, Curve


def test_a_card_has_state_best_curve_and_link() -> None:
    curve = Curve(3, [(1, 0.5), (2, 0.75), (3, 0.7)])
    card = Card("<tuned>", "running", "best val_f1 0.7500, trial 3", "val_f1", curve, "http://head:8265/#/jobs/a&b")
    html = card.html()
    assert "<strong>&lt;tuned&gt;</strong> is running: best val_f1 0.7500, trial 3" in html
    assert '<a href="http://head:8265/#/jobs/a&amp;b" target="_blank">' in html
    assert '<polyline points="8.0,112.0 180.0,8.0 352.0,28.8"' in html
    assert "<figcaption>val_f1 of trial 3, epochs 1 to 3: 0.5 to 0.75</figcaption>" in html


@pytest.mark.parametrize("points", [[], [(1, 0.5)]])
def test_a_curve_needs_two_points(points: list[tuple[int, float]]) -> None:
    assert Card("tuned", "queued", None, "score", Curve(0, points)).html() == (
        "<p><strong>tuned</strong> is queued: no result yet</p>"
    )


def test_a_curve_that_stays_the_same_lies_in_the_middle() -> None:
    assert 'points="8.0,60.0 352.0,60.0"' in Curve(0, [(1, 0.5), (2, 0.5)]).svg("score")


BEGIN = """\
import time, warnings
warnings.filterwarnings("ignore", message="IProgress not found")  # of tqdm, which others import
from gradfleet import AutoModel, Float, Objective

def train(config, report):
    for epoch in range(1, 4):
        time.sleep(0.4)
        print("a line of a worker")
        report({"score": config["x"] * epoch})

model = AutoModel.from_function(train, {"x": Float(0.1, 1.0)}, Objective("score", "max"))
study = model.fit(trials=3, epochs=3, scheduler="none", name="followed", cluster="inline", wait=False, progress=False)
study
"""


@pytest.mark.slow
@pytest.mark.row("UX3")
def test_the_cell_of_a_handle_follows_its_sweep_while_other_cells_run(tmp_path: Path) -> None:
    sources = (BEGIN, "_ = study.wait(timeout=120)")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    first: list[str] = []
    client = NotebookClient(
        notebook,
        timeout=180,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
        on_cell_executed=lambda cell, cell_index, execute_reply: first.append(str(notebook.cells[0].outputs)),
    )
    client.execute()
    assert [cell.outputs for cell in notebook.cells[1:]] == [[]], "nothing else is said, and no worker's line"
    assert [output.output_type for output in notebook.cells[0].outputs] == ["display_data"], notebook.cells[0].outputs
    shown = notebook.cells[0].outputs[0]
    assert "no result yet" in first[0]
    assert "<strong>followed</strong> is completed: best score" in shown.data["text/html"]
    assert "<polyline" in shown.data["text/html"]
    assert shown.data["text/html"].count('<tr class="complete') == 3
