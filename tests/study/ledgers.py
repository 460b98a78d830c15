"""Ledgers over a real store, and a recipe whose numbers can be told in advance."""

from __future__ import annotations

import json
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage

from gradfleet.errors import ExecutionError
from gradfleet.objective import Objective
from gradfleet.search.samplers import Search, make_sampler
from gradfleet.search.space import SearchSpace
from gradfleet.study.driving.budget import Budget
from gradfleet.study.driving.ledger import StudyLedger
from gradfleet.study.driving.watcher import Watcher
from gradfleet.study.mirror.generation import Generation
from gradfleet.study.schedulers.scheduler import NoScheduler, Scheduler, Verdict
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from gradfleet.trials.executor import Ledger
from gradfleet.trials.plan import Config, TrialPlan
from gradfleet.trials.recipe import Predictor, Report

ACCURACY = Objective("val_accuracy", "max")


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, time: float = 1000.0) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


def optuna_study(store: Store, name: str = "digits-generation-0") -> optuna.Study:
    """What a dashboard would see."""
    storage = RDBStorage(store.url, engine_kwargs={"pool": store.database.engine.pool})
    return optuna.load_study(study_name=name, storage=storage)


def open_ledger(
    store: Store,
    lease: Lease,
    *,
    budget: Budget | None = None,
    epochs: int = 2,
    deadline: float | None = None,
    scheduler: Scheduler | None = None,
    sampler: str = "random",
    portfolio: Sequence[Config] = (),
    keep: int = 5,
    retry_failed: bool = False,
    now: Callable[[], float] | None = None,
    watcher: Watcher | None = None,
) -> StudyLedger:
    """An opened ledger over the lease's study, as a sweep makes it."""
    study = lease.study
    space = SearchSpace.from_json(store.generations(study.id)[-1].space)
    search = Search(space=space, aim=study.objective, epochs=epochs)
    generation = Generation(
        store,
        study,
        lambda number: make_sampler(sampler, search, seed=study.seed, number=number),
        portfolio=portfolio,
        lease=lease,
    )
    ledger = StudyLedger(
        store,
        lease,
        space=space,
        generation=generation,
        scheduler=scheduler or NoScheduler(),
        budget=budget or Budget(trials=3),
        plan=TrialPlan(number=-1, config={}, objective=study.objective, epochs=epochs, deadline=deadline),
        keep=keep,
        retry_failed=retry_failed,
        watcher=watcher,
        **({} if now is None else {"now": now}),
    )
    ledger.open()
    return ledger


def accuracy(value: float, epoch: int = 1) -> EpochRecord:
    return EpochRecord(epoch, {"val_accuracy": value})


def begun(ledger: StudyLedger) -> TrialPlan:
    """The next plan, begun."""
    plan = ledger.next_plan()
    assert plan is not None
    ledger.begin(plan.number)
    return plan


@dataclass
class Curve:
    """A recipe whose accuracy depends on the trial's number and epoch alone, and which writes every epoch's checkpoint.

    Attributes:
        fails: numbers of trials that raise in their second epoch.
        starts: every start, as trial number and the epoch that it went on from.
    """

    fails: frozenset[int] = frozenset()
    starts: list[tuple[int, int]] = field(default_factory=list)

    def run(self, plan: TrialPlan, report: Report) -> None:
        for record, checkpoint in self.epochs(plan):
            report(record, checkpoint)

    def epochs(self, plan: TrialPlan) -> Iterator[tuple[EpochRecord, str]]:
        done = 0 if plan.resume is None else int(Path(plan.resume, "epoch.txt").read_text())
        self.starts.append((plan.number, done))
        for epoch in range(done + 1, plan.epochs + 1):
            if plan.number in self.fails and epoch == 2:
                raise ArithmeticError(f"trial {plan.number} diverged")
            assert plan.checkpoints is not None
            folder = Path(plan.checkpoints, f"epoch-{epoch:04d}")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "epoch.txt").write_text(str(epoch))
            yield accuracy(self.value(plan.number, epoch), epoch), str(folder)

    @staticmethod
    def value(number: int, epoch: int) -> float:
        """The second epoch is better than the first, and the third worse than both."""
        return round(0.1 * number + {1: 0.02, 2: 0.03}.get(epoch, 0.01), 4)

    def load(self, checkpoint: Path) -> Predictor:
        raise ExecutionError("a curve predicts nothing")


@dataclass
class Walk(Curve):
    """A curve whose trials go on from what their weights are: each epoch adds what the configuration's `x` is worth.

    Attributes:
        worth: what an epoch with this `x` adds.
    """

    worth: Callable[[float], float] = lambda x: 1.0 - abs(x - 0.7)

    def epochs(self, plan: TrialPlan) -> Iterator[tuple[EpochRecord, str]]:
        done, weight = (0, 0.0) if plan.resume is None else json.loads(Path(plan.resume, "state.json").read_text())
        self.starts.append((plan.number, done))
        for epoch in range(done + 1, plan.epochs + 1):
            weight += self.worth(float(str(plan.config["x"])))
            assert plan.checkpoints is not None
            folder = Path(plan.checkpoints, f"epoch-{epoch:04d}")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "state.json").write_text(json.dumps([epoch, weight]))
            yield accuracy(weight, epoch), str(folder)


class TwoAtOnce:
    """An executor that runs two curves in turns, an epoch each, and begins the later one first."""

    def run(self, recipe: Curve, ledger: Ledger) -> None:
        running: dict[int, Iterator[tuple[EpochRecord, str]]] = {}
        while running or not ledger.finished:
            plans = [plan for _ in range(2 - len(running)) if (plan := ledger.next_plan()) is not None]
            for plan in reversed(plans):
                ledger.begin(plan.number)
                running[plan.number] = recipe.epochs(plan)
            for number, epochs in list(running.items()):
                if not self._step(number, epochs, ledger):
                    del running[number]

    def interrupt(self) -> None:
        """Nothing."""

    def _step(self, number: int, epochs: Iterator[tuple[EpochRecord, str]], ledger: Ledger) -> bool:
        """Whether the trial goes on after its next epoch."""
        try:
            if ledger.record(number, *next(epochs)):
                return True
        except StopIteration:
            pass
        except ArithmeticError:
            ledger.end(number, error=traceback.format_exc())
            return False
        ledger.end(number)
        return False


class HearsLater(TwoAtOnce):
    """Two at once whose plans are asked for ahead, and which hears of an end only after that, as from processes."""

    def run(self, recipe: Curve, ledger: Ledger) -> None:
        running: dict[int, Iterator[tuple[EpochRecord, str]]] = {}
        ahead: deque[TrialPlan] = deque()
        while running or ahead or not ledger.finished:
            told = {number: ledger.record(number, *record) for number, record in _next_of(running)}
            while len(ahead) < 2 and (plan := ledger.next_plan()) is not None:
                assert plan.number not in running, "its worker has not let go of it"
                ahead.append(plan)
            for number in [number for number in running if not told.get(number)]:
                del running[number]
                ledger.end(number)
            while ahead and len(running) < 2:
                plan = ahead.popleft()
                ledger.begin(plan.number)
                running[plan.number] = recipe.epochs(plan)


def _next_of(running: dict[int, Iterator[tuple[EpochRecord, str]]]) -> Iterator[tuple[int, tuple[EpochRecord, str]]]:
    return ((number, record) for number, epochs in running.items() if (record := next(epochs, None)) is not None)


class StopsAt(Scheduler):
    """A scheduler that stops one trial at one epoch, and keeps all it was asked."""

    def __init__(self, number: int, epoch: int) -> None:
        self._stops = (number, epoch)
        self.seen: list[tuple[str, int, int]] = []

    def judge(self, number: int, record: EpochRecord) -> Verdict:
        self.seen.append(("record", number, record.epoch))
        return Verdict.STOP if (number, record.epoch) == self._stops else Verdict.GO_ON

    def ended(self, number: int, last: EpochRecord | None) -> None:
        if last is not None:
            self.seen.append(("end", number, last.epoch))


def outcomes(store: Store, study: StudyRow) -> list[dict[str, Any]]:
    """What a reader sees of each trial, without times."""
    records = store.records(study.id)
    return [
        {
            "number": trial.number,
            "config": trial.config,
            "state": trial.state,
            "value": trial.value,
            "best_epoch": trial.best_epoch,
            "reason": trial.reason,
            "checkpoint": trial.checkpoint,
            "records": [(row.epoch, row.metrics) for row in records if row.number == trial.number],
        }
        for trial in store.trials(study.id)
    ]
