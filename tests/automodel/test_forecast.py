"""The forecast of real sweeps: what is printed before the start, beside what they came to."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gradfleet import AutoModel, Float, Objective
from gradfleet.study.driving.forecast import earlier_study
from gradfleet.study.storage.store import Store

_SAID = re.compile(
    r"Forecast: about (?P<low>\d+)(?:-(?P<high>\d+))? trials "
    r"in (?P<short>[\d.]+)(?:-(?P<long>[\d.]+))? s, told from study '(?P<study>.*)'\."
)


@dataclass(frozen=True)
class Outcome:
    """A sweep: what stderr had said by the moment at which its first trial began, and what it came to."""

    said: str
    trials: int
    seconds: float

    @property
    def is_right(self) -> bool:
        told = _SAID.search(self.said)
        assert told is not None, f"before the start no forecast was said: {self.said!r}"
        low, high = int(told["low"]), int(told["high"] or told["low"])
        short, long = float(told["short"]), float(told["long"] or told["short"])
        if short == long:  # a time budget, which is as certain as it is rounded
            return low <= self.trials <= high
        return low <= self.trials <= high and short - 0.5 <= self.seconds <= long + 0.5  # as rounded to a second


Sweep = Callable[..., Outcome]


@pytest.fixture
def sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sweep:
    """Searches how wide a function should be, whose epochs take as long as it is wide, in a process without Ray."""

    def searched(name: str, **limits: Any) -> Outcome:
        def train(config: dict[str, Any], report: Callable[..., None]) -> None:
            sys.stderr.write("A trial begins.\n")
            for epoch in range(1, 4):
                time.sleep(0.06 * config["width"])  # so long that what a trial costs beside it counts for little
                report({"score": (1 - 0.5**epoch) * (1 - abs(config["width"] - 1.0))})

        model = AutoModel.from_function(train, {"width": Float(0.3, 2.0)}, Objective("score", "max"))
        began = time.monotonic()
        limits |= {"epochs": 3, "scheduler": "none", "cluster": "inline", "warm_start": False}
        study = model.fit(name=name, seed=int(name), store=tmp_path / "g.db", **limits)
        took = time.monotonic() - began
        before, _, _ = capsys.readouterr().err.partition("A trial begins.")
        return Outcome(before, len(study.trials), took)

    return searched


@pytest.mark.soak
@pytest.mark.row("SE17")
def test_what_is_printed_before_the_start_is_right_in_eight_of_ten_sweeps(sweep: Sweep, soak: bool) -> None:  # noqa: FBT001
    sweep("100", trials=12)  # in which libraries are imported, as in no later sweep of this process
    sweep("101", trials=20)
    outcomes = [
        sweep(str(seed), **({"trials": 25} if seed % 2 else {"budget": 4.0})) for seed in range(10 if soak else 5)
    ]
    # Of 5 sweeps beside other load, 8 of 10 would be missed by chance.
    assert sum(outcome.is_right for outcome in outcomes) >= (0.8 if soak else 0.6) * len(outcomes), outcomes


@pytest.mark.row_part("SE17")
def test_a_search_that_ran_elsewhere_says_nothing_of_how_long_trials_take_here(sweep: Sweep, tmp_path: Path) -> None:
    sweep("1", trials=6)
    with Store.open(tmp_path / "g.db") as store:
        done = store.study("1")
        here, elsewhere = (
            replace(done, id=-1, spec={**done.spec, "search": {**done.spec["search"], "cluster": cluster}})
            for cluster in ("inline", None)
        )
        told = earlier_study(store, here)
        assert told is not None
        assert (told.study, told.pace.seen) == ("1", 6)
        assert 0 <= told.lead < 5
        assert earlier_study(store, elsewhere) is None
