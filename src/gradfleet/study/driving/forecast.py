"""What a sweep will come to: how many trials in its time, or how long its trials take, each as an interval."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradfleet.study.driving.budget import Budget
from gradfleet.study.driving.watcher import Watcher
from gradfleet.study.storage.rows import RecordRow, StudyRow, TrialRow, TrialState
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from gradfleet.trials.plan import Config

DRIFT = 0.15
"""How far, of its mean, the pace of later trials wanders off that of the first: a search moves on to other sizes, and
a scheduler has more to compare with."""

_WIDTH = 1.7  # standard deviations to each side, for an interval that holds in 8 of 10 sweeps and more
_SHORTENED = 0.75
"""How much of a scheduler's shortening is seen, as a power: what a search tries later is better than chance and climbs
oftener. Of 200 simulated searches each over LCBench's curves, with Asha and with Hyperband, drawn at random and from
the better half, 83 to 89% were forecast right; with 1 it is 78 to 86%, without any 73 to 78%."""

_FIRST = 5  # trials that a forecast takes, and twice as many as run side by side
_ENOUGH = 3  # trials that do when much of the time is gone
_LATE = 0.25  # of the time
_UNITS = ((3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Pace:
    """So many trials in so many seconds.

    Attributes:
        trials: may be a fraction: one that runs counts half.
        variation: the deviation of their durations as a part of the mean.
        seen: how many durations that was computed from.
    """

    trials: float
    seconds: float
    variation: float
    seen: int

    @classmethod
    def of(cls, durations: Sequence[float], *, trials: float, seconds: float) -> Pace:
        mean = statistics.fmean(durations)
        variation = statistics.pstdev(durations) / mean if mean > 0 else 0.0
        return cls(trials, max(seconds, 1e-9), variation, len(durations))

    def trials_in(self, seconds: float) -> tuple[int, int]:
        """At least and at most so many trials in that time."""
        expected = self.trials * seconds / self.seconds
        spread = expected * self._spread(expected)
        return math.floor(max(0.0, expected - spread)), math.ceil(expected + spread)

    def seconds_for(self, trials: float) -> tuple[float, float]:
        """At least and at most so much time for so many trials."""
        expected = trials * self.seconds / self.trials
        spread = expected * self._spread(trials)
        return max(0.0, expected - spread), expected + spread

    def _spread(self, trials: float) -> float:
        """Of the mean of so many trials, as a part of it: what was seen varies, what comes varies, and it drifts."""
        return _WIDTH * math.hypot(self.variation * math.sqrt(1 / self.seen + 1 / max(trials, 1.0)), DRIFT)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A study that searched the same in the same way.

    Attributes:
        lead: seconds from its beginning to that of its first trial: workers start.
    """

    study: str
    pace: Pace
    lead: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The sentence's parts: trials and seconds in all, each at least and at most, and from what they were told."""

    trials: tuple[int, int]
    seconds: tuple[float, float]
    source: str

    def __str__(self) -> str:
        low, high = self.trials
        trials = f"{low} trials" if low == high else f"{low}-{high} trials"
        return f"Forecast: about {trials} in {_span(*self.seconds)}, told from {self.source}."

    def overlaps(self, other: Forecast) -> bool:
        """Whether both can come true."""
        pairs = (self.trials, other.trials), (self.seconds, other.seconds)
        return all(one[0] <= another[1] and another[0] <= one[1] for one, another in pairs)

    @classmethod
    def of(cls, pace: Pace, budget: Budget, *, trials: int, running: int = 0, elapsed: float, source: str) -> Forecast:
        """From `trials` that have begun after `elapsed` seconds, some of them `running`, and the pace of what comes."""
        low, high = trials, trials
        seconds = (elapsed, elapsed)
        if budget.trials is not None:
            low = high = max(trials, budget.trials)
            more = pace.seconds_for(low - trials + running / 2)
            seconds = elapsed + more[0], elapsed + more[1]
        if budget.seconds is not None and (budget.trials is None or seconds[1] > budget.seconds):
            assert budget.training_seconds is not None, "there are seconds"
            more_trials = pace.trials_in(max(0.0, budget.training_seconds - elapsed))
            most = math.inf if budget.trials is None else high
            low, high = (int(min(trials + more, most)) for more in more_trials)
            seconds = (min(seconds[0], budget.seconds) if budget.trials is not None else budget.seconds), budget.seconds
        return cls((low, high), seconds, source)


class Forecaster:
    """A `Watcher` in front of another one: says what the sweep will come to, once its first trials have shown it.

    It says so once more in the middle of the sweep, where it has come out quite differently until then: a search may
    move on from quick trials to long ones.

    Args:
        say: takes the sentence.
        started: when the sweep's time began, in Unix seconds.
        earlier: a study of the same search; it is told from that before the start.
        usual_epochs: of a trial once many are there, see `Scheduler`; the first ones have nobody to be compared with.
        now: the clock, in Unix seconds.
    """

    def __init__(
        self,
        watcher: Watcher,
        budget: Budget,
        *,
        say: Callable[[str], None],
        started: float,
        earlier: Earlier | None = None,
        usual_epochs: float | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.forecast: Forecast | None = None
        self._looked_again = False
        self._watcher = watcher
        self._budget = budget
        self._say = say
        self._started = started
        self._now = now
        self._begun: dict[int, float] = {}
        self._durations: list[float] = []
        self._before = 0
        self._joined: list[float] = []  # when the first trial began, the first two ran side by side, and so on
        self._epochs: Counter[int] = Counter()
        self._usual_epochs = usual_epochs
        self._earlier = earlier

    def gone_on_with(self, trials: Sequence[TrialRow], best: Mapping[int, RecordRow]) -> None:
        self._watcher.gone_on_with(trials, best)
        self._before = sum(trial.state != "RUNNING" for trial in trials)
        if self._earlier is not None:
            source = f"study {self._earlier.study!r}"
            self._tell(self._forecast(self._earlier.pace, self._before, 0, source, lead=self._earlier.lead))

    def noted(self, text: str) -> None:
        self._watcher.noted(text)

    def started(self, number: int, config: Config) -> None:
        self._begun[number] = now = self._now()
        if len(self._begun) > len(self._joined):
            self._joined.append(now)
        self._watcher.started(number, config)

    def recorded(self, number: int, record: EpochRecord) -> None:
        self._epochs[number] += 1
        self._watcher.recorded(number, record)

    def ended(self, number: int, state: TrialState, reason: str | None) -> None:
        self._watcher.ended(number, state, reason)
        if number in self._begun:
            self._durations.append(self._now() - self._begun.pop(number))
        if self.forecast is None and self._is_enough():
            self._tell(self._seen())
        elif self.forecast is not None and not self._looked_again and self._is_half_over():
            self._looked_again = True
            if self._durations and not (seen := self._seen()).overlaps(self.forecast):
                self._tell(seen)

    def _seen(self) -> Forecast:
        """From the trials of this sweep."""
        ended, running = len(self._durations), len(self._begun)
        return self._forecast(self._pace(), self._before + ended + running, running, f"the first {ended} trials")

    def _pace(self) -> Pace:
        """What is seen, as if all workers had been there from the first trial on, and a scheduler knew many trials."""
        ended, running = len(self._durations), len(self._begun)
        seconds = statistics.fmean(self._now() - joined for joined in self._joined)
        return Pace.of(self._durations, trials=(ended + running / 2) * self._shortened(), seconds=seconds)

    def _shortened(self) -> float:
        """How many times as long as later ones the trials are that have ended."""
        epochs = [count for number, count in self._epochs.items() if number not in self._begun]
        if self._usual_epochs is None or not epochs:
            return 1.0
        return math.pow(max(1.0, statistics.fmean(epochs) / self._usual_epochs), _SHORTENED)

    def _is_enough(self) -> bool:
        if len(self._durations) >= max(_FIRST, 2 * len(self._joined)):
            return True
        limit = math.inf if self._budget.seconds is None else _LATE * self._budget.seconds
        return len(self._durations) >= _ENOUGH and self._now() - self._started > limit

    def _is_half_over(self) -> bool:
        trials, seconds = (0.5 * (limit or math.inf) for limit in (self._budget.trials, self._budget.seconds))
        return self._before + len(self._durations) >= trials or self._now() - self._started >= seconds

    def _forecast(self, pace: Pace, trials: int, running: int, source: str, *, lead: float = 0.0) -> Forecast:
        elapsed = self._now() - self._started + lead
        return Forecast.of(pace, self._budget, trials=trials, running=running, elapsed=elapsed, source=source)

    def _tell(self, forecast: Forecast) -> None:
        if self._budget.trials is not None or self._budget.seconds is not None:  # else there is no end to foresee
            self.forecast = forecast
            self._say(str(forecast))


def earlier_study(store: Store, study: StudyRow) -> Earlier | None:
    """The latest other study that searched the same in the same way; None without one."""
    for other in reversed(store.studies()):
        if other.id == study.id or _manner(other) != _manner(study):
            continue
        ended = [(trial.started, trial.ended) for trial in store.trials(other.id) if trial.ended is not None]
        if len(ended) >= _FIRST:
            first, last = min(start for start, _ in ended), max(end for _, end in ended)
            pace = Pace.of([end - start for start, end in ended], trials=len(ended), seconds=last - first)
            return Earlier(other.name, pace, lead=max(0.0, first - other.created))
    return None


def _manner(study: StudyRow) -> list[Any]:
    """What decides how long a study's trials take: data, space, training and what one may use of a machine."""
    search = study.spec.get("search", {})
    told = [study.spec.get(part) for part in ("space", "training", "runs")]
    return [study.fingerprint, *told, search.get("scheduler"), search.get("resources"), search.get("cluster")]


def _span(low: float, high: float) -> str:
    """A time, or from one to another, in the unit that suits the longer."""
    unit, name = next((unit, name) for unit, name in _UNITS if high >= 2 * unit or unit == 1)
    digits = 0 if high >= 10 * unit or unit == 1 else 1
    texts = [f"{value / unit:.{digits}f}".removesuffix(".0") for value in (low, high)]
    return f"{texts[1]} {name}" if texts[0] == texts[1] else f"{texts[0]}-{texts[1]} {name}"
