"""The forecast: what it says, from what, and how often it is right."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

import pytest

from gradfleet.objective import Objective
from gradfleet.search.space import Entry, Float, SearchSpace
from gradfleet.study.driving.budget import Budget
from gradfleet.study.driving.forecast import Earlier, Forecast, Forecaster, Pace
from gradfleet.study.schedulers import Asha
from gradfleet.study.schedulers.scheduler import Course, Verdict
from gradfleet.study.storage.rows import TrialRow
from gradfleet.training.history import EpochRecord
from tests.study.ledgers import Clock

ENDED = TrialRow(
    **dict.fromkeys(TrialRow.__dataclass_fields__),  # type: ignore[arg-type]
)


class Nobody:
    """A watcher that looks away."""

    def gone_on_with(self, trials: object, best: object) -> None: ...
    def noted(self, text: str) -> None: ...
    def started(self, number: int, config: object) -> None: ...
    def recorded(self, number: int, record: object) -> None: ...
    def ended(self, number: int, state: object, reason: object) -> None: ...


class Told:
    """Keeps what was forecast."""

    def __init__(self) -> None:
        self.forecasts: list[Forecast] = []
        self.forecaster: Forecaster | None = None

    def __call__(self, text: str) -> None:
        assert self.forecaster is not None
        assert self.forecaster.forecast is not None
        assert text == str(self.forecaster.forecast)
        self.forecasts.append(self.forecaster.forecast)

    @property
    def first(self) -> Forecast | None:
        return self.forecasts[0] if self.forecasts else None


def sweep(budget: Budget, duration: Callable[[int], float], *, workers: int = 2) -> tuple[Told, int, float]:
    """A simulated sweep: what was forecast, how many trials it had, and how long it took."""
    clock, told = Clock(0.0), Told()
    forecaster = told.forecaster = Forecaster(Nobody(), budget, say=told, started=0.0, now=clock)
    clock.time, begun = 3.0, 0
    running: list[tuple[float, int]] = []
    limit = budget.seconds or float("inf")
    while True:
        while len(running) < workers and clock.time < limit and begun < (budget.trials or 10**9):
            forecaster.started(begun, {})
            heapq.heappush(running, (clock.time + duration(begun), begun))
            begun += 1
        if not running:
            return told, begun, clock.time
        end, number = heapq.heappop(running)
        clock.time = min(end, limit)
        forecaster.ended(number, "COMPLETE", None)


def kinds(seed: int) -> Callable[[int], float]:
    """Durations of a search: some all alike, some of very different sizes, some with most trials stopped early."""
    draw = random.Random(seed)
    mean, kind = draw.uniform(2.0, 20.0), seed % 3
    drift = draw.uniform(0.85, 1.15)

    def duration(number: int) -> float:
        size = mean * (drift if number > 10 else 1.0)
        if kind == 0:
            return size * draw.uniform(0.9, 1.1)
        if kind == 1:
            return size * draw.lognormvariate(0.0, 0.6)
        return size * (1.0 if draw.random() < 0.4 else draw.choice([0.11, 0.33]))

    return duration


@pytest.mark.soak
@pytest.mark.row_part("SE17")
def test_the_number_of_trials_lies_in_the_interval_in_eight_of_ten_sweeps(soak: bool) -> None:  # noqa: FBT001
    sweeps = 3000 if soak else 300
    right = told = wide = 0
    for seed in range(sweeps):
        forecasts, trials, _ = sweep(Budget(seconds=300.0), kinds(seed), workers=1 + seed % 4)
        if forecasts.first is not None:
            told += 1
            low, high = forecasts.first.trials
            right += low <= trials <= high
            wide += high > 4 * max(low, 1)
    assert told > 0.9 * sweeps
    assert right >= 0.8 * told
    assert wide < 0.2 * told, "an interval that says nothing is no forecast"


@pytest.mark.row_part("SE17")
def test_the_time_lies_in_the_interval_in_eight_of_ten_sweeps() -> None:
    outcomes = [sweep(Budget(trials=60), kinds(seed), workers=1 + seed % 4) for seed in range(300)]
    firsts = [(told.first.seconds, seconds) for told, _, seconds in outcomes if told.first]
    right = [low <= seconds <= high for (low, high), seconds in firsts]
    assert len(right) == 300
    assert sum(right) >= 0.8 * len(right)


@pytest.mark.row_part("SE17")
def test_a_search_that_moves_from_quick_trials_to_long_ones_is_forecast_anew_in_the_middle() -> None:
    told, trials, _ = sweep(Budget(seconds=300.0), lambda number: 1.0 if number < 20 else 30.0)
    first, second = told.forecasts
    assert first.trials[0] > 100 > trials
    assert second.trials[0] <= trials <= second.trials[1]
    steady, _, _ = sweep(Budget(seconds=300.0), lambda number: 10.0)
    assert len(steady.forecasts) == 1
    by_trials, _, seconds = sweep(Budget(trials=60), lambda number: 1.0 if number < 20 else 30.0)
    assert len(by_trials.forecasts) == 2
    assert by_trials.forecasts[0].seconds[1] < seconds


def halved(seed: int) -> tuple[Forecast | None, int]:
    """A simulated sweep of trials of 27 epochs, two at a time, under Asha; the sampler gets better with time."""
    draw, clock, told = random.Random(seed), Clock(0.0), Told()
    space = SearchSpace((Entry("x", Float(0.0, 1.0)),))
    scheduler = Asha().build(Course(objective=Objective("score", "max"), epochs=27, space=space))
    usual = scheduler.usual_epochs
    budget = Budget(seconds=600.0)
    forecaster = Forecaster(Nobody(), budget, say=told, started=0.0, usual_epochs=usual, now=clock)
    told.forecaster = forecaster
    waiting = [(2.0, -1, 0, 1.0, 0.0), (4.0, -2, 0, 1.0, 0.0)]  # two workers, one of them late
    begun = 0
    while waiting[0][0] < 600.0:
        clock.time, number, epoch, pace, score = heapq.heappop(waiting)
        record = EpochRecord(epoch, {"score": score})
        if number >= 0:
            forecaster.recorded(number, record)
        if number < 0 or epoch == 27 or scheduler.judge(number, record) is Verdict.STOP:
            if number >= 0:
                forecaster.ended(number, "COMPLETE", None)
            number, epoch, pace, score = begun, 0, draw.lognormvariate(0.0, 0.4), draw.random() + 0.01 * min(begun, 30)
            forecaster.started(number, {})
            begun += 1
        heapq.heappush(waiting, (clock.time + pace, number, epoch + 1, pace, score))
    return told.first, begun


@pytest.mark.row_part("SE17")
def test_it_lies_there_too_where_later_trials_are_stopped_earlier_and_workers_start_late() -> None:
    outcomes = [halved(seed) for seed in range(100)]
    right = [forecast.trials[0] <= trials <= forecast.trials[1] for forecast, trials in outcomes if forecast]
    assert len(right) == 100
    assert sum(right) >= 80


def test_a_forecast_says_trials_time_and_from_what_it_was_told() -> None:
    pace = Pace.of([10.0, 10.0, 10.0, 10.0], trials=4, seconds=20.0)
    said = Forecast.of(pace, Budget(seconds=600.0), trials=5, elapsed=25.0, source="the first 4 trials")
    assert str(said) == "Forecast: about 90-150 trials in 10 min, told from the first 4 trials."
    said = Forecast.of(pace, Budget(trials=40), trials=5, elapsed=25.0, source="study 'digits'")
    assert str(said) == "Forecast: about 40 trials in 2.6-4.1 min, told from study 'digits'."


def test_what_comes_first_of_time_and_trials_is_what_is_said() -> None:
    pace = Pace.of([10.0, 10.0, 10.0, 10.0], trials=4, seconds=20.0)
    few = Forecast.of(pace, Budget(trials=20, seconds=600.0), trials=4, elapsed=20.0, source="x")
    assert (few.trials, few.seconds[1] < 130) == ((20, 20), True)
    many = Forecast.of(pace, Budget(trials=1000, seconds=600.0), trials=4, elapsed=20.0, source="x")
    assert many.trials[1] < 200
    assert many.seconds == (600.0, 600.0)


def test_an_earlier_study_of_the_same_search_is_told_from_before_the_start() -> None:
    said: list[str] = []
    earlier = Earlier("monday", Pace.of([5.0] * 8, trials=8, seconds=20.0), lead=10.0)
    forecaster = Forecaster(
        Nobody(), Budget(seconds=71.0), say=said.append, started=0.0, earlier=earlier, now=Clock(0.0)
    )
    forecaster.gone_on_with([], {})
    assert said == ["Forecast: about 17-31 trials in 71 s, told from study 'monday'."]


def test_a_search_without_trials_or_time_to_end_it_is_not_forecast() -> None:
    said: list[str] = []
    forecaster = Forecaster(Nobody(), Budget(target=0.9), say=said.append, started=0.0, now=Clock(1.0))
    for number in range(20):
        forecaster.started(number, {})
        forecaster.ended(number, "COMPLETE", None)
    assert said == []
