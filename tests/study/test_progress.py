"""What a sweep shows while it runs."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from gradfleet.objective import Objective
from gradfleet.study.driving import progress
from gradfleet.study.driving.budget import Budget
from gradfleet.study.driving.progress import SweepProgress
from gradfleet.study.standings import summary
from gradfleet.study.storage.rows import RecordRow, TrialRow
from gradfleet.training.history import EpochRecord

ENDED = TrialRow(
    number=0,
    config={},
    seed=0,
    state="COMPLETE",
    value=0.9,
    reason=None,
    traceback=None,
    attempts=1,
    started=0.0,
    ended=1.0,
    epochs=2,
    best_epoch=2,
    checkpoint=None,
    stopping=None,
    generation=0,
    optuna_number=0,
)
BUDGET = Budget(trials=5, seconds=60)


def shown(*, terminal: bool = False, enabled: bool = True) -> tuple[SweepProgress, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100)
    return SweepProgress("digits", Objective("accuracy", "max"), BUDGET, shown=enabled, console=console), out


def a_little_sweep(view: SweepProgress) -> None:
    view.started(0, {"architecture": "cnn", "architecture.cnn.channels": 16})
    view.recorded(0, EpochRecord(1, {"accuracy": 0.5}))
    view.recorded(0, EpochRecord(2, {"accuracy": 0.9}))
    view.ended(0, "COMPLETE", None)
    view.started(1, {"architecture": "mlp"})
    view.recorded(1, EpochRecord(1, {"accuracy": 0.95}))
    view.ended(1, "FAIL", "ValueError: no")
    view.started(2, {"architecture": "mlp"})


def test_in_a_log_it_ends_with_one_line_that_says_it_all() -> None:
    view, out = shown()
    with view:
        a_little_sweep(view)
    assert out.getvalue().splitlines() == [
        "Trial 1 failed: ValueError: no",
        "digits: 2 of 5 trials, 1 running, best accuracy 0.9000 (trial 0), 0 of 60 s",
    ]


def test_in_a_log_a_line_comes_once_in_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    view, out = shown()
    view.started(0, {})
    assert out.getvalue() == "digits: 0 of 5 trials, 1 running, no result yet, 0 of 60 s\n"


def test_on_a_terminal_it_draws_running_trials_and_then_the_best() -> None:
    view, out = shown(terminal=True)
    with view:
        a_little_sweep(view)
    text = out.getvalue()
    assert "best accuracy 0.9000 (trial 0)" in text
    assert "architecture=cnn channels=16" in text
    last = text[text.rindex("digits: 2 of 5 trials") :]
    assert last.index("running") < last.index("complete") < last.index("fail")


def test_a_failed_trial_is_never_shown_as_the_best() -> None:
    view, out = shown()
    with view:
        view.started(0, {})
        view.recorded(0, EpochRecord(1, {"accuracy": 0.99}))
        view.ended(0, "FAIL", "it broke")
    assert out.getvalue().splitlines()[-1].startswith("digits: 1 of 5 trials, 0 running, no result yet")


def test_a_trial_that_an_earlier_driver_recorded_shows_its_value_at_its_end() -> None:
    view, out = shown()
    running = replace(ENDED, state="RUNNING", ended=None)
    with view:
        view.gone_on_with([running], {0: RecordRow(0, 2, {"accuracy": 0.9}, None, 1.0)})
        view.started(0, {})
        view.ended(0, "COMPLETE", None)
    assert "best accuracy 0.9000 (trial 0)" in out.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_is_shown_or_said_when_it_is_switched_off(*, terminal: bool) -> None:
    view, out = shown(terminal=terminal, enabled=False)
    with view:
        view.say("hello")
        a_little_sweep(view)
    assert out.getvalue() == ""


def test_what_is_said_is_printed_as_it_is() -> None:
    view, out = shown()
    view.say("[bold]not markup[/] and one long line " + "x" * 200)
    assert out.getvalue().count("\n") == 1
    assert "[bold]not markup[/]" in out.getvalue()


def test_a_configuration_in_one_line_drops_the_names_of_branches_and_shortens_numbers() -> None:
    config = {"optimizer": "sgd", "optimizer.sgd.learning_rate": 0.0123456, "batch_size": 32}
    assert summary(config) == "optimizer=sgd learning_rate=0.0123 batch_size=32"
