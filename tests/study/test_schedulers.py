"""Schedulers by name: whom they stop, that restarts change nothing, and that ASHA stops whom Ray's would."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gradfleet.errors import SettingError
from gradfleet.objective import Objective
from gradfleet.search.space import Entry, Float, SearchSpace
from gradfleet.study.driving.budget import Budget
from gradfleet.study.schedulers import Asha, Hyperband, Median
from gradfleet.study.schedulers.hyperband import HyperbandScheduler, bracket_sizes, turns
from gradfleet.study.schedulers.names import SchedulerChoice, scheduler_options
from gradfleet.study.schedulers.scheduler import Course, NoScheduler, Scheduler, Verdict
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from tests.study.ledgers import ACCURACY, accuracy, open_ledger

LOSS = Objective("loss", "min")
EPOCHS = 27


SPACE = SearchSpace((Entry("x", Float(0.0, 1.0)),))


def made(choice: SchedulerChoice, objective: Objective = LOSS, *, epochs: int = EPOCHS) -> Scheduler:
    return scheduler_options(choice).build(Course(objective=objective, epochs=epochs, space=SPACE))


def goes_on(scheduler: Scheduler, number: int, record: EpochRecord) -> bool:
    return scheduler.judge(number, record) is Verdict.GO_ON


def loss(value: float, epoch: int) -> EpochRecord:
    return EpochRecord(epoch, {"loss": value})


def drive(store: Store, study: StudyRow, scheduler: str, *, rounds: int) -> bool:
    """Run up to three trials side by side, an epoch each in every round; whether the sweep has ended."""
    with Lease.acquire(store, study) as lease:
        ledger = open_ledger(store, lease, budget=Budget(trials=20), epochs=EPOCHS, scheduler=made(scheduler, ACCURACY))
        running: dict[int, int] = {}
        for _ in range(rounds):
            while len(running) < 3 and (plan := ledger.next_plan()) is not None:
                ledger.begin(plan.number)
                done = store.trial(study.id, plan.number).epochs
                running[plan.number] = done + 1
            for number in sorted(running):
                value = random.Random(f"{number} {running[number]}").random() + number % 3
                if not ledger.record(number, accuracy(value, running[number]), None) or running[number] == EPOCHS:
                    ledger.end(number)
                    del running[number]
                else:
                    running[number] += 1
        return ledger.finished


@pytest.mark.row_part("SE6")
@pytest.mark.parametrize(
    ("scheduler", "rungs"), [("asha", {3, 9}), ("hyperband", {3, 9}), ("median", set(range(3, EPOCHS)))]
)
def test_a_sweep_that_is_killed_every_few_epochs_stops_the_same_trials_at_the_same_epochs(
    tmp_path: Path, scheduler: str, rungs: set[int]
) -> None:
    ends = []
    with Store.open(tmp_path / "gradfleet.db") as store:
        spec = {"objective": {"metric": "val_accuracy", "mode": "max"}, "space": SPACE.to_json()}
        for name, rounds in (("straight", 1000), ("killed", 4)):
            study = store.create_study(name, spec)
            while not drive(store, study, scheduler, rounds=rounds):
                pass
            ends.append([(trial.number, trial.state, trial.epochs) for trial in store.trials(study.id)])
    assert ends[0] == ends[1]
    stopped = {epochs for _, state, epochs in ends[0] if state == "PRUNED"}
    assert stopped
    assert stopped <= rungs


def rays_asha(objective: Objective, *, grace: int, factor: float, epochs: int) -> Scheduler:
    """Ray's own, behind our seam; its milestones and cutoffs, and what it remembers, are all Ray's."""
    from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

    inner = AsyncHyperBandScheduler(
        time_attr="epoch",
        metric="value",
        mode=objective.mode,
        max_t=epochs,
        grace_period=grace,
        reduction_factor=factor,
    )
    trials: dict[int, SimpleNamespace] = {}

    def result(number: int, record: EpochRecord) -> tuple[None, SimpleNamespace, dict[str, float]]:
        if number not in trials:
            trials[number] = SimpleNamespace(trial_id=number)
            inner.on_trial_add(None, trials[number])  # type: ignore[arg-type]
        return None, trials[number], {"epoch": record.epoch, "value": objective.value(record.metrics)}

    class Rays(Scheduler):
        def judge(self, number: int, record: EpochRecord) -> Verdict:
            stops = inner.on_trial_result(*result(number, record)) == TrialScheduler.STOP  # type: ignore[arg-type]
            return Verdict.STOP if stops and record.epoch < epochs else Verdict.GO_ON

        def ended(self, number: int, last: EpochRecord | None) -> None:
            if last is not None:
                inner.on_trial_complete(*result(number, last))  # type: ignore[arg-type]

    return Rays()


@pytest.mark.row_part("SE6")
@pytest.mark.parametrize("objective", [LOSS, Objective("loss", "max")], ids=["min", "max"])
@pytest.mark.parametrize(("grace", "factor", "epochs"), [(1, 3, 27), (2, 4, 50), (1, 2, 10), (3, 2.5, 20), (5, 3, 5)])
def test_asha_stops_whom_rays_asha_stops(objective: Objective, grace: int, factor: float, epochs: int) -> None:
    ours = made(Asha(grace=grace, reduction_factor=factor), objective, epochs=epochs)
    rays = rays_asha(objective, grace=grace, factor=factor, epochs=epochs)
    chance = random.Random(f"{grace} {factor} {epochs}")
    running = dict.fromkeys(range(4), 0)
    stopped = 0
    for begun in range(4, 120):
        for number in chance.choices(list(running), k=12):
            if number not in running:
                continue
            running[number] += 1
            record = loss(round(chance.random() + number % 5, 1), running[number])  # rounded, so that some are equal
            verdicts = [each.judge(number, record) for each in (ours, rays)]
            assert verdicts[0] is verdicts[1]
            if verdicts[0] is Verdict.STOP or running[number] == epochs:
                stopped += verdicts[0] is Verdict.STOP
                for each in (ours, rays):
                    each.ended(number, record)
                del running[number]
        running[begun] = 0
    assert stopped > 10 or grace == epochs


def test_no_scheduler_needs_ray() -> None:
    code = """
import sys
from gradfleet.study.schedulers.names import SCHEDULERS
assert [make() for make in SCHEDULERS.values()]
assert "ray" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_trial_that_skips_a_rung_is_judged_at_the_one_it_has_reached() -> None:
    scheduler = made(Asha(grace=1), epochs=9)
    assert goes_on(scheduler, 0, loss(0.1, 1))
    assert goes_on(scheduler, 0, loss(0.1, 4))
    assert not goes_on(scheduler, 1, loss(0.2, 5))


@pytest.mark.row_part("SE6")
def test_the_bracket_of_a_trial_follows_from_its_number_and_brackets_have_the_sizes_of_the_paper() -> None:
    sizes = bracket_sizes(4, 3)
    assert sizes == [81, 34, 15, 8, 5]  # table 1 of the paper, for R = 81
    order = turns(sizes)
    assert [order.count(bracket) for bracket in range(5)] == sizes
    assert set(order[:18]) == {0, 1, 2, 3, 4}
    first, again = (made("hyperband", epochs=81) for _ in range(2))
    assert isinstance(first, HyperbandScheduler)
    assert isinstance(again, HyperbandScheduler)
    numbers = range(200)
    assert [first.bracket(number) for number in numbers] == [again.bracket(number) for number in numbers]


def test_a_cautious_bracket_lets_a_slow_starter_live() -> None:
    scheduler = made(Hyperband(grace=1), epochs=9)
    assert isinstance(scheduler, HyperbandScheduler)
    cautious = [number for number in range(20) if scheduler.bracket(number) == 2][:2]
    for number, value in zip(cautious, (0.1, 0.9), strict=True):
        assert all(goes_on(scheduler, number, loss(value, epoch)) for epoch in range(1, 10))


@pytest.mark.row_part("SE6")
def test_the_median_rule_stops_who_never_came_up_to_the_others() -> None:
    scheduler = made(Median(grace=2, min_trials=3), epochs=9)
    for number, value in enumerate((0.1, 0.2, 0.3)):
        assert all(goes_on(scheduler, number, loss(value, epoch)) for epoch in (1, 2, 3))
    assert goes_on(scheduler, 3, loss(0.9, 1))  # within the grace
    assert goes_on(scheduler, 3, loss(0.2, 2))  # as good as the median
    assert goes_on(scheduler, 3, loss(0.9, 3))  # its best counts, not its last
    assert goes_on(scheduler, 4, loss(0.9, 1))
    assert not goes_on(scheduler, 4, loss(0.8, 2))


@pytest.mark.row_part("SE6")
@pytest.mark.parametrize("diverged", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_what_has_diverged_is_stopped_and_spoils_no_comparison(name: str, diverged: float) -> None:
    scheduler = made(name, epochs=9)
    for number in range(3):
        assert not goes_on(scheduler, number, loss(diverged, 1))
        scheduler.ended(number, loss(diverged, 1))
    assert goes_on(scheduler, 3, loss(0.5, 1))
    if name == "asha":
        assert not goes_on(scheduler, 4, loss(0.9, 1))


def test_infinitely_good_is_good() -> None:
    scheduler = made("asha", Objective("loss", "max"), epochs=9)
    assert all(goes_on(scheduler, number, loss(math.inf, 1)) for number in range(4))
    assert not goes_on(scheduler, 4, loss(0.5, 1))


def test_the_larger_is_the_better_where_the_objective_says_so() -> None:
    scheduler = made("asha", Objective("loss", "max"), epochs=9)
    assert goes_on(scheduler, 0, loss(0.9, 1))
    assert not goes_on(scheduler, 1, loss(0.5, 1))


@pytest.mark.parametrize("name", ["asha", "hyperband"])
def test_a_sweep_of_one_epoch_has_nothing_to_stop(name: str) -> None:
    scheduler = made(name, epochs=1)
    assert all(goes_on(scheduler, number, loss(float(number), 1)) for number in range(5))


@pytest.mark.parametrize("name", ["none", None])
def test_none_lets_every_trial_run(name: str | None) -> None:
    assert isinstance(made(name), NoScheduler)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("asah", r"No scheduler is called 'asah'. Did you mean 'asha'\? Known: asha, hyperband, median, none."),
        (Asha, r"A scheduler is a name or one's settings such as Asha\(grace=2\), got <class .*Asha'>."),
        (3, r"A scheduler is a name or one's settings such as Asha\(grace=2\), got 3."),
    ],
)
def test_what_is_no_scheduler_is_refused(choice: object, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        scheduler_options(choice)  # type: ignore[arg-type]


def test_settings_that_cannot_be_are_refused_all_at_once() -> None:
    with pytest.raises(SettingError) as caught:
        Asha(grace=0, reduction_factor=1)
    assert caught.value.problems == (
        "grace of Asha is a whole number of at least 1, got 0.",
        "reduction_factor of Asha is a number above 1, got 1.",
    )
    with pytest.raises(SettingError, match="reduction_factor of Hyperband is a number above 1, got nan."):
        Hyperband(reduction_factor=math.nan)
    with pytest.raises(SettingError, match="min_trials of Median is a whole number of at least 1, got 2.5."):
        Median(min_trials=2.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [Asha(grace=5), Hyperband(grace=5), Median(grace=5)])
def test_a_grace_beyond_the_last_epoch_is_refused(options: Asha | Hyperband | Median) -> None:
    kind = type(options).__name__
    assert options.problems(epochs=5, trials=None) == []
    assert options.problems(epochs=4, trials=None) == [
        f"{kind} would first judge after epoch 5, and a trial has 4: make grace smaller."
    ]


def test_how_many_epochs_a_trial_has_in_the_long_run_follows_from_the_rungs() -> None:
    assert made(Asha(grace=1, reduction_factor=3), epochs=9).usual_epochs == pytest.approx(1 + 2 / 3 + 6 / 9)
    bold, middle, cautious = 1 + 2 / 3 + 6 / 9, 3 + 6 / 3, 9.0
    sizes = bracket_sizes(2, 3)
    shared = sum(size * epochs for size, epochs in zip(sizes, (bold, middle, cautious), strict=True)) / sum(sizes)
    assert made(Hyperband(grace=1, reduction_factor=3), epochs=9).usual_epochs == pytest.approx(shared)
    assert made(Median(), epochs=9).usual_epochs is None
