"""Plots and the report of a study, from its store alone."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from gradfleet.errors import NoUsableTrialError, SettingError
from gradfleet.search.choice import Choice
from gradfleet.search.ranges import Float, Int
from gradfleet.search.space import Entry, SearchSpace, When
from gradfleet.study.plots import facts
from gradfleet.study.plots.importance import importances
from gradfleet.study.plots.interactive import interactive
from gradfleet.study.plots.results import trade_off
from gradfleet.study.report.page import PLOTS
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from gradfleet.training.history import EpochRecord
from tests.study import written

SPACE = SearchSpace(
    (
        Entry("architecture", Choice("mlp", "cnn")),
        Entry("width", Int(8, 256, log=True)),
        Entry("learning_rate", Float(1e-4, 1.0, log=True)),
        Entry("architecture.cnn.channels", Choice(8, 16, 32), (When("architecture", ("cnn",)),)),
        Entry("fixed", Choice("only")),
    )
)
KINDS = ("history", "curves", "importance", "parallel", "slice", "contour", "pareto", "timeline")
TRADE_OFF = {"pareto": ["train_seconds", "val_accuracy"]}


@pytest.fixture
def row(store: Store, spec: dict[str, Any]) -> StudyRow:
    search = {"sampler": "tpe", "epochs": 3, "budget": {"trials": 24, "seconds": 600.0, "target": None}}
    return store.create_study("drawn", {**spec, "space": SPACE.to_json(), "search": search}, seed=3)


@pytest.fixture
def drawn(store: Store, row: StudyRow) -> Study:
    """24 trials whose accuracy hangs on the learning rate alone; one fails, some are pruned, one runs."""
    random = numpy.random.default_rng(0)
    with Lease.acquire(store, row) as lease:
        for number in range(24):
            rate = float(10 ** random.uniform(-4, 0))
            config: dict[str, Any] = {"architecture": ("mlp", "cnn")[number % 2], "width": 8 + number}
            config |= {"learning_rate": rate, "fixed": "only"}
            config |= {"architecture.cnn.channels": 16} if number % 2 else {}
            written.add_trial(store, lease, number, config, seed=number, optuna_number=number)
            for epoch in range(1, 4 if number % 3 else 2):
                value = 0.5 + 0.4 * (1 + numpy.log10(rate) / 4) + 0.02 * epoch
                metrics = {"val_accuracy": float(value), "val_loss": float(1 - value), "train_seconds": 1 + number % 5}
                store.add_record(lease, number, EpochRecord(epoch, metrics))
            if number == 22:
                error = "Traceback\n  ...\nValueError: <script>x</script>\n"
                written.end_trial(store, lease, number, "FAIL", traceback=error)
            elif number != 23:
                written.end_trial(store, lease, number, "COMPLETE" if number % 3 else "PRUNED")
    return Study(store, store.study("drawn"))


@pytest.mark.row("UX5")
@pytest.mark.parametrize("kind", KINDS)
def test_every_plot_is_drawn_as_a_picture(drawn: Study, kind: str, tmp_path: Path) -> None:
    figure = drawn.plot(kind, metrics=TRADE_OFF.get(kind, ()), to=tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.size == (1376, 704)
        assert len(image.convert("RGB").getcolors(2**24) or ()) > 20, "more than an empty frame"
    assert figure.axes


@pytest.mark.parametrize("kind", KINDS)
def test_every_plot_is_an_interactive_page_that_needs_no_network(drawn: Study, kind: str, tmp_path: Path) -> None:
    figure = drawn.plot(kind, metrics=TRADE_OFF.get(kind, ()), to=tmp_path / "plot.html")
    assert len(figure.data) > 0
    page = (tmp_path / "plot.html").read_text(encoding="utf-8")
    assert re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="http[^"]*"', page) == []


def test_of_very_many_trials_the_best_and_some_others_are_drawn_and_the_plot_says_so(
    drawn: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "MOST_CURVES", 12)
    found = drawn.plot_facts()
    assert set(found.board.usable[:2]) <= found.curves.keys() <= set(range(24))
    assert len(found._drawn) == 12
    (axes,) = drawn.plot("curves").axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert f"{len(found.curves)} of 24 trials" in labels
    assert f"trial {drawn.best.number}, the best" in labels
    assert f"({len(found.curves)} of 24 trials)" in interactive("curves", found).layout.yaxis.title.text


def test_the_figure_holds_what_the_store_holds(drawn: Study) -> None:
    (axes,) = drawn.plot("history").axes
    complete = next(points for points in axes.collections if points.get_label().startswith("complete"))
    values = {trial.number: trial.value for trial in drawn.trials if trial.state == "COMPLETE"}
    assert dict(numpy.asarray(complete.get_offsets()).tolist()) == pytest.approx(values)
    (axes,) = drawn.plot("curves", metrics=["val_loss"]).axes
    best = next(line for line in axes.lines if "the best" in str(line.get_label()))
    assert list(best.get_ydata()) == drawn.history(drawn.best.number).values("val_loss")
    assert drawn.plot("slice", dimensions=["width"]).axes[0].get_xlabel() == "width"
    assert drawn.plot("history")._repr_png_().startswith(b"\x89PNG")


def test_the_dimension_that_decides_is_the_most_important_and_a_constant_has_none(drawn: Study) -> None:
    shares = drawn.plot_facts().importances
    assert next(iter(shares)) == "learning_rate"
    assert shares["learning_rate"] > 0.7
    assert "fixed" not in shares
    assert sum(shares.values()) == pytest.approx(1)
    assert importances({"a": Float(0, 1), "b": Float(0, 1)}, [({"a": 0.1}, 0.5)]) == {"a": 0.5, "b": 0.5}


def test_a_trade_off_has_the_trials_that_no_other_beats_in_both(drawn: Study) -> None:
    found = trade_off(drawn.plot_facts(), ["train_seconds", "val_accuracy"])
    assert found.names == ["train_seconds", "val_accuracy"]
    assert found.outside == []
    for number, seconds, accuracy in found.front:
        assert not [one for one in found.points if one[1] <= seconds and one[2] >= accuracy and one[0] != number]
    for number, seconds, accuracy in found.points:
        assert [one for one in found.front if one[1] <= seconds and one[2] >= accuracy], number


TWO = {"objectives": [{"metric": "accuracy", "mode": "max"}, {"metric": "f1", "mode": "max"}], "constraints": []}


def with_goal(store: Store, goal: dict[str, Any], found: list[dict[str, float]]) -> Study:
    """A study after several objectives or under constraints, a trial of one record each."""
    budget = {"trials": len(found), "target": 0.3}
    spec = {"objective": {"num_runs": 1, **goal}, "space": SPACE.to_json(), "search": {"epochs": 3, "budget": budget}}
    row = store.create_study("goal", spec)
    with Lease.acquire(store, row) as lease:
        for number, metrics in enumerate(found):
            written.add_trial(store, lease, number, {"width": 8 + number}, seed=number, optuna_number=number)
            store.add_record(lease, number, EpochRecord(1, metrics))
            written.end_trial(store, lease, number, "COMPLETE")
    return Study(store, row)


def test_a_trade_off_is_between_the_two_objectives_where_nothing_else_is_said(store: Store, tmp_path: Path) -> None:
    pairs = [(0.9, 0.1), (0.1, 0.9), (0.2, 0.2), (0.05, 0.05), (0.2, 0.2)]
    study = with_goal(store, TWO, [{"accuracy": accuracy, "f1": f1} for accuracy, f1 in pairs])
    found = trade_off(study.plot_facts(), ())
    assert found.names == ["accuracy", "f1"]
    front = sorted(number for number, _, _ in found.front)
    assert front == [0, 1, 2, 4] == sorted(trial.number for trial in study.front)
    assert study.plot("pareto", to=tmp_path / "plot.html").layout.yaxis.title.text == "f1"


@pytest.mark.row_part("SE12")
def test_what_breaks_a_constraint_is_on_no_front_and_never_the_best_so_far(store: Store, tmp_path: Path) -> None:
    goal = {**TWO, "constraints": ["cost <= 1"]}
    found = [(0.3, 0.3, 1.0), (0.9, 0.9, 5.0), (0.4, 0.2, 1.0)]
    study = with_goal(store, goal, [{"accuracy": one, "f1": two, "cost": cost} for one, two, cost in found])
    shown = trade_off(study.plot_facts(), ())
    assert sorted(number for number, _, _ in shown.front) == [0, 2] == sorted(trial.number for trial in study.front)
    assert [number for number, _, _ in shown.outside] == [1]
    best = next(line for line in study.plot("history").axes[0].lines if line.get_label() == "best so far")
    assert list(best.get_ydata()) == [0.3, 0.3, 0.4, 0.4]
    labels = [text.get_text() for text in study.plot("pareto").axes[0].get_legend().get_texts()]
    assert labels == ["trials", "breaks a constraint, or lacks runs", "front (2)"]
    assert [line.name for line in study.plot("pareto", to=tmp_path / "p.html").data] == [*labels[:2], "front"]


@pytest.mark.row_part("SE12")
def test_the_report_of_several_objectives_names_them_and_their_constraints(store: Store, tmp_path: Path) -> None:
    goal = {**TWO, "constraints": ["cost <= 1"], "num_runs": 2}
    found = [(0.25, 0.3, 1.0), (0.9, 0.9, 5.0), (0.4, 0.2, 1.0)]
    metrics = [{"accuracy": one, "f1": two, "cost": cost, "num_runs": 2.0} for one, two, cost in found]
    text = with_goal(store, goal, metrics).report(tmp_path / "report.html").read_text(encoding="utf-8")
    words, _, _ = " ".join(Page(text).words.split()).partition("Provenance")  # where sources stand, this one too
    for said in (
        "accuracy, the higher the better; f1, the higher the better · cost <= 1 · the mean of 2 runs ·",
        "best accuracy 0.4000",
        "target 0.3000reached",
        "3 18 without stopping early",
        "Trade-off",
        "best, front",
        "complete, breaks a constraint",
    ):
        assert said in words, said


@pytest.mark.parametrize("kind", ["history", "parallel", "slice", "contour", "importance"])
def test_an_infinite_result_has_no_place_on_a_scale_and_leaves_one_to_the_others(
    store: Store, kind: str, tmp_path: Path
) -> None:
    spec = {"objective": {"metric": "score", "mode": "max"}, "space": SPACE.to_json()}
    row = store.create_study("odd", spec)
    with Lease.acquire(store, row) as lease:
        for number, score in enumerate([1.0, math.inf, -math.inf, 2.0, 3.0, 1.5, 2.5, 0.5, 0.1, 0.2]):
            config = {"width": 8 + number, "learning_rate": 0.01 * (1 + number % 4)}
            written.add_trial(store, lease, number, config, seed=number, optuna_number=number)
            store.add_record(lease, number, EpochRecord(1, {"score": score}))
            written.end_trial(store, lease, number, "COMPLETE")
    file = tmp_path / "plot.png"
    Study(store, row).plot(kind, to=file)  # a warning of matplotlib's is an error here
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"kind": "pareto"},
            r"between two metrics, got none\. Name two, as in metrics=\['train_seconds', 'val_accuracy'\]",
        ),
        ({"kind": "histroy"}, r"No plot is called 'histroy'\. Did you mean 'history'\?"),
        ({"kind": "history", "dimensions": ["width"]}, r"The plot 'history' takes no dimensions\."),
        ({"kind": "curves", "metrics": ["val_acuracy"]}, r"No metric in the records .* Did you mean 'val_accuracy'\?"),
        ({"kind": "slice", "dimensions": ["widht"]}, r"No dimension is called 'widht'\. Did you mean 'width'\?"),
        ({"kind": "contour", "dimensions": ["width"]}, r"This plot needs 2 dimensions, got width\."),
        ({"kind": "pareto", "metrics": ["val_loss"]}, r"A trade-off is between two metrics, got val_loss\."),
        ({"kind": "history", "to": "plot.gif"}, r"No format of a plot is called 'gif'\."),
        ({"kind": "history", "theme": "drak"}, r"No theme is called 'drak'\. Did you mean 'dark'\?"),
    ],
)
def test_what_cannot_be_drawn_says_why(drawn: Study, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        drawn.plot(**arguments)


def test_a_study_without_a_result_has_nothing_to_draw_and_still_a_report(
    store: Store, row: StudyRow, tmp_path: Path
) -> None:
    empty = Study(store, row)
    with pytest.raises(NoUsableTrialError, match=r"Study 'drawn' has no trial with a result to draw, of 0\."):
        empty.plot("history")
    assert "No trial has a result yet." in empty.report(tmp_path / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a page would fetch, how its tags are nested, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.words = ""
        self.styles = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fetching = {"src", "srcset", "href", "xlink:href", "data", "action"}
        self.fetched += [value or "" for name, value in attrs if name in fetching]
        self.open.append(tag)
        self.styles += " ".join(value or "" for _, value in attrs)

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            self.styles += data
        else:
            self.words += data


@pytest.mark.row_part("TP3")
def test_the_report_is_one_page_that_fetches_nothing(drawn: Study, tmp_path: Path) -> None:
    text = drawn.report(tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert [one for one in page.fetched if not one.startswith(("#", "data:"))] == []
    assert re.findall(r"@import|url\((?!#)", page.styles) == []
    assert "script" not in page.open
    assert page.open.count("svg") == 2 * len([kind for kind in PLOTS if kind != "pareto"]), "of one objective only"
    assert len(set(re.findall(r'\bid="([^"]*)"', text))) == len(re.findall(r'\bid="([^"]*)"', text)), "ids are unique"
    for said in ("ValueError: <script>x</script>", f"{drawn.best.value:.4f}", "24 of 24", "learning_rate", "torch"):
        assert said in page.words
    assert "<script>x" not in text, "what a trial raised is text, and no part of the page"
    assert "prefers-color-scheme: dark" in text


def test_the_report_groups_failures_and_says_what_was_used(drawn: Study) -> None:
    facts = json.loads(json.dumps(drawn.report_facts(top=3)))
    assert facts["failures"][0]["trials"] == [22]
    assert facts["counts"] == {"PRUNED": 8, "COMPLETE": 14, "FAIL": 1, "RUNNING": 1}
    assert facts["used"]["epochs"] == sum(trial.epochs for trial in drawn.trials)
    limits = {one["limit"]: one for one in facts["contract"]}
    assert (limits["trials"]["used"], limits["trials"]["asked"]) == (24, 24)
    assert facts["best_trial"]["trial"] == drawn.best.number == facts["best"]
    assert len(facts["trials"]) == 4, "the best three, and the default configuration"


@pytest.mark.row_part("TP3")
def test_a_new_process_redraws_tables_plots_and_report_without_the_model(
    drawn: Study, file: Path, tmp_path: Path, begin: Callable[..., Any]
) -> None:
    code = """
import sys
from gradfleet.study.study import Study
study = Study.attach("drawn", store=sys.argv[1])
study.plot("importance", to=sys.argv[2] + "/importance.png")
study.report(sys.argv[2] + "/report.html")
print(study.leaderboard()["trial"].tolist(), study.row.fingerprint, sorted(study.best.metrics), "torch" in sys.modules)
"""
    process: subprocess.Popen[str] = begin(code, file, tmp_path)
    order = drawn.leaderboard()["trial"].tolist()
    assert process.communicate()[0] == f"{order} None ['train_seconds', 'val_accuracy', 'val_loss'] False\n"
    drawn.plot("importance", to=tmp_path / "again.png")
    with Image.open(tmp_path / "importance.png") as theirs, Image.open(tmp_path / "again.png") as ours:
        assert numpy.array_equal(numpy.asarray(theirs), numpy.asarray(ours))
    assert (tmp_path / "report.html").stat().st_size < 2**21
