"""A trial of several runs: what its records say, which run goes on, and when it ends."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from gradfleet.data.prepared import DataRef
from gradfleet.errors import ExecutionError, TrialStopped
from gradfleet.goal import aim
from gradfleet.objective import Objective
from gradfleet.training.history import EpochRecord
from gradfleet.trials.function_recipe import FunctionRecipe
from gradfleet.trials.plan import TrialPlan
from gradfleet.trials.recipe import Predictor, Report
from gradfleet.trials.repeated import Repeated, means

SCORE = Objective("score", "max")
FOLDS = tuple(DataRef(name, f"/{name}") for name in ("first", "second", "third"))


@dataclass
class Scores:
    """Reports given scores, one list a run, a checkpoint with each that is the best so far; keeps the plans."""

    runs: list[list[float]]
    plans: list[TrialPlan] = field(default_factory=list)

    def run(self, plan: TrialPlan, report: Report) -> None:
        self.plans.append(plan)
        scores = self.runs[plan.run or 0]
        done = 0 if plan.resume is None else int(plan.resume.rsplit("-", 1)[-1])
        for epoch, score in enumerate(scores[done:], done + 1):
            best = score >= max(scores[:epoch])
            report(EpochRecord(epoch, {"score": score}), f"{plan.checkpoints}/epoch-{epoch}" if best else None)

    def load(self, checkpoint: Path) -> Predictor:
        raise ExecutionError("scores predict nothing")


def plan(epochs: int, runs: int) -> TrialPlan:
    return TrialPlan(
        number=4,
        config={},
        objective=aim(SCORE, num_runs=runs),
        epochs=epochs * runs,
        seed=7,
        data=FOLDS[0],
        checkpoints="/trial-4",
    )


def records(recipe: Repeated, given: TrialPlan) -> list[tuple[EpochRecord, str | None]]:
    kept: list[tuple[EpochRecord, str | None]] = []
    recipe.run(given, lambda record, checkpoint=None: kept.append((record, checkpoint)))
    return kept


@pytest.mark.row_part("SE4")
@pytest.mark.row("ME7")
def test_the_value_is_the_mean_of_each_runs_best_with_deviation_median_and_range_beside_it() -> None:
    scores = Scores([[0.5, 0.7], [0.9, 0.6], [0.2, 0.4]])
    kept = records(Repeated(scores, repeats=3), plan(2, 3))
    assert [record.epoch for record, _ in kept] == [1, 2, 3, 4, 5, 6]
    last = kept[-1][0].metrics
    best = [0.7, 0.9, 0.4]
    assert last["score"] == pytest.approx(statistics.fmean(best))
    assert last["score_std"] == pytest.approx(statistics.pstdev(best))
    assert (last["score_median"], last["score_min"], last["score_max"]) == (0.7, 0.4, 0.9)
    assert (last["num_runs"], last["run_score"]) == (3.0, 0.4)
    assert [record["score"] for record, _ in kept[:3]] == pytest.approx([0.5, 0.7, 0.8])
    goal = plan(2, 3).objective
    assert min(kept, key=lambda one: goal.rank(one[0].metrics))[1] == "/trial-4/run-02/epoch-2"


@pytest.mark.row_part("SE4")
@pytest.mark.row_part("SE4")
@pytest.mark.row_part("ME7")
def test_what_is_no_number_in_one_run_is_none_in_the_mean_and_fails_nothing() -> None:
    runs: list[dict[str, float]] = [{"score": 0.5, "val_auc": math.nan}, {"score": 0.7, "val_auc": math.inf}]
    together = means(runs, aim(SCORE, num_runs=2))
    assert (together["score"], together["score_min"]) == (pytest.approx(0.6), 0.5)
    names = ("val_auc", "val_auc_std", "val_auc_median", "val_auc_min", "val_auc_max")
    assert all(math.isnan(together[name]) for name in names)
    assert means([{"score": 1.0, "train_loss": 2.0}], aim(SCORE, num_runs=2))["train_loss_std"] == 0.0
    both_ways = means([{"score": math.inf}, {"score": -math.inf}], aim(SCORE, num_runs=2))
    assert math.isnan(both_ways["score"])


def test_a_micro_batch_of_several_runs_is_the_least_that_memory_held() -> None:
    runs: list[dict[str, float]] = [{"score": 0.5, "micro_batch": 16.0}, {"score": 0.5, "micro_batch": 4.0}]
    assert means(runs, aim(SCORE, num_runs=2))["micro_batch"] == 4.0


def test_every_repeat_has_a_seed_of_its_own_and_goes_through_every_fold() -> None:
    scores = Scores([[0.5]] * 6)
    records(Repeated(scores, repeats=2, folds=FOLDS), plan(1, 6))
    assert [one.data for one in scores.plans] == [*FOLDS, *FOLDS]
    assert [one.seed for one in scores.plans[:3]] == [7, 7, 7]
    assert len({one.seed for one in scores.plans}) == 2
    again = Scores([[0.5]] * 6)
    records(Repeated(again, repeats=2, folds=FOLDS), plan(1, 6))
    assert [one.seed for one in again.plans] == [one.seed for one in scores.plans]


@pytest.mark.row_part("SE4")
@pytest.mark.parametrize("cut", range(1, 9))
def test_a_trial_that_was_cut_anywhere_goes_on_in_the_run_that_it_was_in(cut: int) -> None:
    runs = [[0.1, 0.5, 0.3], [0.6, 0.2, 0.7], [0.4, 0.4, 0.9]]
    straight = records(Repeated(Scores(runs), repeats=3), plan(3, 3))
    past = straight[:cut]
    checkpoints = [checkpoint for _, checkpoint in past if checkpoint is not None]
    resumed = replace(plan(3, 3), resume=checkpoints[-1], recorded=cut, history=tuple(record for record, _ in past))
    scores = Scores(runs)
    again = records(Repeated(scores, repeats=3), resumed)
    assert scores.plans[0].run == cut // 3
    assert [one for one in again if one[0].epoch > cut] == straight[cut:]


def test_a_run_that_ends_early_leaves_its_epochs_out_and_a_told_end_is_the_end_of_all() -> None:
    scores = Scores([[0.5], [0.6, 0.7, 0.8]])
    kept = records(Repeated(scores, repeats=2), plan(3, 2))
    assert [record.epoch for record, _ in kept] == [1, 4, 5, 6]

    def stops(record: EpochRecord, checkpoint: str | None = None) -> None:
        raise TrialStopped

    with pytest.raises(TrialStopped):
        Repeated(scores, repeats=2).run(plan(3, 2), stops)


def test_a_function_that_trains_on_ends_its_run_at_the_limit_and_draws_other_numbers_in_each() -> None:
    def train(config: dict[str, Any], report: Any) -> None:
        while True:
            report({"score": random.random()})

    kept = records(Repeated(FunctionRecipe(train), repeats=3), plan(2, 3))
    assert [record.epoch for record, _ in kept] == [1, 2, 3, 4, 5, 6]
    assert len({record["run_score"] for record, _ in kept}) >= 3
